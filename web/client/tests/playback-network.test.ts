import { describe, expect, it } from "vitest";
import { WIRE_HZ } from "../src/audio/pcm";
import { Resampler } from "../src/audio/resample";
import { hear, type Network, pausesMs, step, voice } from "./network";

const SOURCE = voice(3.5);
const STALL_MS = 300;
const SEEDS = [1, 2];
const RATES_HZ = [48_000, 44_100];

const bad = (atMs: number, jitterMs = 50): Network => ({ jitterMs, stall: { atMs, ms: STALL_MS } });
const steepest = (hz: number) => step(new Resampler(WIRE_HZ, hz).process(SOURCE));

/** The source was played from its first sample to its last, with nothing in between. */
function isWhole(played: Float32Array): boolean {
  return played.slice(0, SOURCE.length).every((sample, i) => sample === SOURCE[i]);
}

/** All of the source was played in its order, perhaps with something in between. */
function isInOrder(played: Float32Array): boolean {
  let at = 0;
  for (const sample of played) if (at < SOURCE.length && sample === SOURCE[at]) at += 1;
  return at === SOURCE.length;
}

describe("an answer through 50 ms of jitter and a stall of 300 ms", () => {
  // A voice on a GPU, and the one that is built in, make a second of sound in a few ms; on a CPU half a second is fair.
  it.each(RATES_HZ.flatMap((hz) => [0.02, 0.2, 0.5].map((share) => [hz, share] as const)))(
    "at %i Hz from a voice that takes %f of the time: no gap, no click, once there are 350 ms ahead",
    (hz, share) => {
      const aheadMs = (350 / (1 - share)) * share;
      for (const seed of SEEDS) {
        for (const atMs of [aheadMs + 100, 700, 1500, 2900]) {
          const { played, rendered } = hear(SOURCE, share, bad(atMs), hz, seed);
          expect(isWhole(played), `seed ${seed}, stall at ${atMs} ms`).toBe(true);
          expect(step(rendered)).toBeLessThan(1.02 * steepest(hz));
        }
      }
    },
  );

  it("pauses once where nothing is ahead yet, loses nothing and does not click", () => {
    for (const seed of SEEDS) {
      const { played, rendered } = hear(SOURCE, 0.02, bad(0), 48_000, seed);
      const pauses = pausesMs(played, WIRE_HZ);
      expect(pauses).toHaveLength(1);
      // Of the stall, less the first piece, and the fades lie within it.
      expect(pauses[0]).toBeGreaterThan(STALL_MS - 100 - 2 * 5 - 50);
      expect(pauses[0]).toBeLessThanOrEqual(STALL_MS - 100 + 50);
      expect(isInOrder(played)).toBe(true);
      expect(step(rendered)).toBeLessThan(1.02 * steepest(48_000));
    }
  });

  it("pauses seldom, and without a click, where the voice is hardly quicker than it speaks", () => {
    for (const seed of SEEDS) {
      const { played, rendered } = hear(SOURCE, 0.97, bad(1000), 48_000, seed);
      expect(pausesMs(played, WIRE_HZ).length).toBeLessThanOrEqual(4);
      expect(isInOrder(played)).toBe(true);
      expect(step(rendered)).toBeLessThan(1.02 * steepest(48_000));
    }
  });
});
