import { describe, expect, it } from "vitest";
import { LevelFollower, meterOf, rms } from "../src/audio/level";

describe("level", () => {
  it("is the root of the mean square", () => {
    expect(rms(Float32Array.of(0.5, -0.5, 0.5, -0.5))).toBeCloseTo(0.5);
    expect(rms(new Float32Array(0))).toBe(0);
  });

  it("runs from a quiet room to firm speech", () => {
    expect([0, 0.0001, 0.001].map(meterOf)).toEqual([0, 0, 0]);
    expect(meterOf(0.0159)).toBeCloseTo(0.5, 2);
    expect([0.26, 1].map(meterOf)).toEqual([1, 1]);
  });

  it("rises at once and falls gently", () => {
    const follower = new LevelFollower();
    follower.hear(1);
    expect(follower.step(0.016)).toBe(1);
    follower.hear(0);
    expect(follower.step(0.1)).toBeCloseTo(0.75);
    expect(follower.step(1)).toBe(0);
  });
});
