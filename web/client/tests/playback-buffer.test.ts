import { describe, expect, it } from "vitest";
import { PlaybackBuffer } from "../src/audio/playback-buffer";

function ones(length: number): Float32Array {
  return new Float32Array(length).fill(1);
}

/** The greatest step between neighbours. */
function step(samples: Float32Array): number {
  return samples.reduce(
    (most, sample, i) => Math.max(most, Math.abs(sample - (samples[i - 1] ?? sample))),
    0,
  );
}

function pull(buffer: PlaybackBuffer, length: number): Float32Array {
  const into = new Float32Array(length).fill(9);
  buffer.pull(into);
  return into;
}

describe("PlaybackBuffer", () => {
  it("is silent while it is empty", () => {
    expect([...pull(new PlaybackBuffer(), 3)]).toEqual([0, 0, 0]);
  });

  it("plays across chunks in order, and counts what was played", () => {
    const buffer = new PlaybackBuffer();
    buffer.push("r", "a", Float32Array.of(0.1, 0.2, 0.3));
    buffer.push("r", "a", Float32Array.of(0.4, 0.5));
    expect(pull(buffer, 4)).toEqual(Float32Array.of(0.1, 0.2, 0.3, 0.4));
    expect(buffer.current).toEqual({ itemId: "a", samples: 4 });
    expect(buffer.waitingSamples).toBe(1);
  });

  it("counts silence for nobody", () => {
    const buffer = new PlaybackBuffer();
    buffer.push("r", "a", ones(10));
    pull(buffer, 100);
    expect(buffer.current).toEqual({ itemId: "a", samples: 10 });
  });

  it("counts each item for itself", () => {
    const buffer = new PlaybackBuffer();
    buffer.push("r", "a", ones(10));
    buffer.push("r", "b", ones(10));
    pull(buffer, 14);
    expect(buffer.current).toEqual({ itemId: "b", samples: 4 });
  });

  it("waits for 80 ms of sound after running dry in mid-item", () => {
    const buffer = new PlaybackBuffer();
    buffer.push("r", "a", ones(200));
    pull(buffer, 400);
    buffer.push("r", "a", ones(1919));
    expect(pull(buffer, 4)).toEqual(new Float32Array(4));
    buffer.push("r", "a", ones(1));
    pull(buffer, 120);
    expect(pull(buffer, 4)).toEqual(ones(4));
  });

  it("fades out where it runs dry and in where it goes on, and counts neither", () => {
    const buffer = new PlaybackBuffer();
    const rising = Float32Array.from({ length: 3000 }, (_, i) => i / 3000);
    buffer.push("r", "a", rising.slice(0, 1000));
    const out = pull(buffer, 1300);
    expect(out.slice(0, 1000)).toEqual(rising.slice(0, 1000));
    expect(step(out)).toBeLessThan(0.01);
    expect(out.subarray(1120)).toEqual(new Float32Array(180));
    buffer.push("r", "a", rising.slice(1000));
    const back = pull(buffer, 2120);
    expect(step(back)).toBeLessThan(0.01);
    expect(back.slice(120)).toEqual(rising.slice(1000));
    expect(buffer.current).toEqual({ itemId: "a", samples: 3000 });
  });

  it("waits for twice as much each time, up to 320 ms, and for 80 ms again in the next item", () => {
    const buffer = new PlaybackBuffer();
    const waitedMs = (itemId: string) => {
      for (let ms = 10; ; ms += 10) {
        buffer.push("r", itemId, ones(240));
        if (pull(buffer, 1)[0] !== 0) return ms;
      }
    };
    const runDry = () => pull(buffer, 20_000);
    waitedMs("a");
    const waits = [1, 2, 3, 4].map(() => {
      runDry();
      return waitedMs("a");
    });
    expect(waits).toEqual([80, 160, 320, 320]);
    runDry();
    expect(waitedMs("b")).toBe(10);
    runDry();
    expect(waitedMs("b")).toBe(80);
  });

  it("does not wait for an item that is complete, nor before the next item", () => {
    const buffer = new PlaybackBuffer();
    buffer.push("r", "a", ones(200));
    pull(buffer, 400);
    buffer.push("r", "a", ones(5));
    buffer.end("a");
    pull(buffer, 120);
    expect(pull(buffer, 5)).toEqual(ones(5));
    pull(buffer, 5);
    buffer.push("r", "b", ones(5));
    expect(pull(buffer, 5)).toEqual(ones(5));
  });

  describe("flush", () => {
    it("tells what was heard of the item under way and of those that waited", () => {
      const buffer = new PlaybackBuffer();
      buffer.push("r", "a", ones(1000));
      buffer.push("r", "b", ones(1000));
      pull(buffer, 600);
      expect(buffer.flush()).toEqual([
        { itemId: "a", samples: 600 },
        { itemId: "b", samples: 0 },
      ]);
    });

    it("fades out within 5 ms, and counts the fade for nobody", () => {
      const buffer = new PlaybackBuffer();
      buffer.push("r", "a", ones(1000));
      pull(buffer, 100);
      buffer.flush();
      const after = pull(buffer, 200);
      expect(after[0]).toBeCloseTo(1 - 1 / 120);
      expect(after.every((sample, i) => i === 0 || sample <= (after[i - 1] as number))).toBe(true);
      expect(after.subarray(119).every((sample) => sample === 0)).toBe(true);
      expect(buffer.current).toBeNull();
    });

    it("has nothing to tell when nothing was playing", () => {
      expect(new PlaybackBuffer().flush()).toEqual([]);
    });

    it("lets the next answer begin at once", () => {
      const buffer = new PlaybackBuffer();
      buffer.push("r", "a", ones(10));
      pull(buffer, 20);
      buffer.flush();
      buffer.push("r", "b", ones(4));
      expect(pull(buffer, 4)).toEqual(ones(4));
      expect(buffer.current).toEqual({ itemId: "b", samples: 4 });
    });
  });

  describe("lowered and held", () => {
    const FADE = 120;
    const ramp = (length: number) => Float32Array.from({ length }, (_, i) => (i + 1) / 10_000);

    it("is as loud as asked within 5 ms, and then again as it came", () => {
      const buffer = new PlaybackBuffer();
      buffer.push("r", "a", ones(4000));
      pull(buffer, 100);
      buffer.lower("r", 0.3);
      const low = pull(buffer, 300);
      expect(low[0]).toBeCloseTo(1 - 1 / FADE);
      expect(low.subarray(FADE).every((sample) => sample === Math.fround(0.3))).toBe(true);
      buffer.resume("r");
      const back = pull(buffer, 300);
      expect(back.every((sample, i) => i === 0 || sample >= (back[i - 1] as number))).toBe(true);
      expect(back.subarray(FADE)).toEqual(ones(180));
      expect(buffer.current).toEqual({ itemId: "a", samples: 700 });
    });

    it.each([[64], [1], [500]])("goes on from the very sample, pulled %i at a time", (step) => {
      const sound = ramp(3000);
      const buffer = new PlaybackBuffer();
      for (let at = 0; at < 3000; at += 250) buffer.push("r", "a", sound.slice(at, at + 250));
      const before = pull(buffer, 1000);
      buffer.hold("r");
      const held: number[] = [];
      while (held.length < 1000) held.push(...pull(buffer, step));
      expect(held.slice(FADE).every((sample) => sample === 0)).toBe(true);
      expect(buffer.current).toEqual({ itemId: "a", samples: 1000 });
      buffer.resume("r");
      const after: number[] = [];
      while (after.length < FADE + 2000) after.push(...pull(buffer, step));
      expect(before).toEqual(sound.slice(0, 1000));
      expect(Float32Array.from(after.slice(FADE, FADE + 2000))).toEqual(sound.slice(1000));
      expect(after[FADE - 1]).toBeCloseTo(sound[999] as number, 6);
      expect(buffer.current).toEqual({ itemId: "a", samples: 3000 });
    });

    it("fades out and in, and counts neither", () => {
      const buffer = new PlaybackBuffer();
      buffer.push("r", "a", ones(1000));
      buffer.lower("r", 0.5);
      pull(buffer, 300);
      buffer.hold("r");
      const out = pull(buffer, FADE);
      expect(out[0]).toBeCloseTo(0.5 * (1 - 1 / FADE));
      expect(out.every((sample, i) => i === 0 || sample < (out[i - 1] as number))).toBe(true);
      buffer.resume("r");
      const back = pull(buffer, FADE);
      expect(back.every((sample, i) => i === 0 || sample > (back[i - 1] as number))).toBe(true);
      expect(buffer.current).toEqual({ itemId: "a", samples: 300 });
      expect(pull(buffer, 10)).toEqual(ones(10));
    });

    it("goes on as low as asked, where it is lowered while held", () => {
      const buffer = new PlaybackBuffer();
      buffer.push("r", "a", ones(1000));
      pull(buffer, 300);
      buffer.hold("r");
      pull(buffer, 200);
      buffer.lower("r", 0.5);
      expect(buffer.isHeld).toBe(false);
      const low = pull(buffer, 400);
      expect(low[FADE - 1]).toBe(0.5);
      expect(low.subarray(FADE)).toEqual(ones(280).fill(0.5));
      expect(buffer.current).toEqual({ itemId: "a", samples: 580 });
    });

    it("keeps what comes while it is held, and waits for no cushion afterwards", () => {
      const buffer = new PlaybackBuffer();
      buffer.push("r", "a", ones(100));
      pull(buffer, 100);
      buffer.hold("r");
      expect(pull(buffer, 50)).toEqual(new Float32Array(50));
      expect(buffer.isHeld).toBe(true);
      buffer.push("r", "a", ones(30));
      expect(pull(buffer, 50)).toEqual(new Float32Array(50));
      buffer.resume("r");
      expect(buffer.isHeld).toBe(false);
      pull(buffer, 100);
      expect(pull(buffer, 30)).toEqual(ones(30));
    });

    it("makes no sound of its own where it is held before it began", () => {
      const buffer = new PlaybackBuffer();
      buffer.push("r", "a", ones(100));
      buffer.end("a");
      pull(buffer, 200);
      buffer.push("r", "b", ones(100));
      buffer.hold("r");
      expect(pull(buffer, 200)).toEqual(new Float32Array(200));
      buffer.resume("r");
      expect(pull(buffer, 100)).toEqual(ones(100));
    });

    it("is flushed while held as ever, silently, and the next answer is loud", () => {
      const buffer = new PlaybackBuffer();
      buffer.push("r", "a", ones(1000));
      buffer.lower("r", 0.3);
      pull(buffer, 600);
      buffer.hold("r");
      pull(buffer, 200);
      expect(buffer.flush()).toEqual([{ itemId: "a", samples: 600 }]);
      expect(buffer.waitingSamples).toBe(0);
      buffer.resume("r");
      expect(pull(buffer, 10)).toEqual(new Float32Array(10));
      buffer.push("r", "b", ones(10));
      expect(pull(buffer, 10)).toEqual(ones(10));
    });

    it("comes back from a hold as if nothing were, where nothing was pulled in between", () => {
      const buffer = new PlaybackBuffer();
      buffer.push("r", "a", ramp(1000));
      pull(buffer, 500);
      buffer.hold("r");
      buffer.resume("r");
      pull(buffer, 2 * FADE);
      expect(pull(buffer, 500)).toEqual(ramp(1000).slice(500));
    });

    it("leaves the tail of another answer alone, and the next one", () => {
      const buffer = new PlaybackBuffer();
      buffer.push("q", "a", ones(100));
      buffer.end("a");
      buffer.push("r", "b", ones(100));
      buffer.end("b");
      buffer.push("s", "c", ones(100));
      buffer.lower("r", 0.5);
      buffer.hold("r");
      expect(pull(buffer, 200)).toEqual(Float32Array.of(...ones(100), ...new Float32Array(100)));
      expect(buffer.isHeld).toBe(true);
      buffer.resume("q");
      expect(pull(buffer, 10)).toEqual(new Float32Array(10));
      buffer.lower("r", 0.5);
      pull(buffer, 100);
      expect(pull(buffer, 100)).toEqual(ones(100));
    });
  });
});
