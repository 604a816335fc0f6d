import { describe, expect, it } from "vitest";
import { PlaybackBuffer } from "../src/audio/playback-buffer";

function ones(length: number): Float32Array {
  return new Float32Array(length).fill(1);
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
    buffer.push("a", Float32Array.of(0.1, 0.2, 0.3));
    buffer.push("a", Float32Array.of(0.4, 0.5));
    expect(pull(buffer, 4)).toEqual(Float32Array.of(0.1, 0.2, 0.3, 0.4));
    expect(buffer.current).toEqual({ itemId: "a", samples: 4 });
    expect(buffer.waitingSamples).toBe(1);
  });

  it("counts silence for nobody", () => {
    const buffer = new PlaybackBuffer();
    buffer.push("a", ones(10));
    pull(buffer, 100);
    expect(buffer.current).toEqual({ itemId: "a", samples: 10 });
  });

  it("counts each item for itself", () => {
    const buffer = new PlaybackBuffer();
    buffer.push("a", ones(10));
    buffer.push("b", ones(10));
    pull(buffer, 14);
    expect(buffer.current).toEqual({ itemId: "b", samples: 4 });
  });

  it("waits for 80 ms of sound after running dry in mid-item", () => {
    const buffer = new PlaybackBuffer();
    buffer.push("a", ones(10));
    pull(buffer, 20);
    buffer.push("a", ones(1919));
    expect(pull(buffer, 4)).toEqual(new Float32Array(4));
    buffer.push("a", ones(1));
    expect(pull(buffer, 4)).toEqual(ones(4));
  });

  it("does not wait for an item that is complete, nor before the next item", () => {
    const buffer = new PlaybackBuffer();
    buffer.push("a", ones(10));
    pull(buffer, 20);
    buffer.push("a", ones(5));
    buffer.end("a");
    expect(pull(buffer, 5)).toEqual(ones(5));
    pull(buffer, 5);
    buffer.push("b", ones(5));
    expect(pull(buffer, 5)).toEqual(ones(5));
  });

  describe("flush", () => {
    it("tells what was heard of the item under way and of those that waited", () => {
      const buffer = new PlaybackBuffer();
      buffer.push("a", ones(1000));
      buffer.push("b", ones(1000));
      pull(buffer, 600);
      expect(buffer.flush()).toEqual([
        { itemId: "a", samples: 600 },
        { itemId: "b", samples: 0 },
      ]);
    });

    it("fades out within 5 ms, and counts the fade for nobody", () => {
      const buffer = new PlaybackBuffer();
      buffer.push("a", ones(1000));
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
      buffer.push("a", ones(10));
      pull(buffer, 20);
      buffer.flush();
      buffer.push("b", ones(4));
      expect(pull(buffer, 4)).toEqual(ones(4));
      expect(buffer.current).toEqual({ itemId: "b", samples: 4 });
    });
  });
});
