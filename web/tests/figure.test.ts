import { describe, expect, it } from "vitest";
import { edgeAt, type Figure, isMoving, POSES, toward } from "../src/view/figure";

const FIGURES = Object.keys(POSES) as Figure[];

describe("the shape", () => {
  it("is another one in each state", () => {
    const drawn = FIGURES.map((figure) => JSON.stringify(POSES[figure]));
    expect(new Set(drawn).size).toBe(FIGURES.length);
  });

  it.each(FIGURES)("stays in its square as %s, however loud", (figure) => {
    const { userX, userSize, userAlpha, voiceX, voiceSize, voiceAlpha } = POSES[figure];
    if (userAlpha > 0) expect(Math.abs(userX) + userSize).toBeLessThanOrEqual(100);
    if (voiceAlpha > 0) expect(Math.abs(voiceX) + voiceSize).toBeLessThanOrEqual(100);
  });

  it("flows from pose to pose, and arrives", () => {
    let pose = POSES.idle;
    for (let frame = 0; frame < 120 && pose !== POSES.speaking; frame++) {
      const next = toward(pose, POSES.speaking, 1 / 60);
      const gap = (one: typeof pose) => Math.abs(one.voiceSize - POSES.speaking.voiceSize);
      expect(gap(next)).toBeLessThanOrEqual(gap(pose));
      pose = next;
    }
    expect(pose).toBe(POSES.speaking);
  });

  it("rests where nothing is to be awaited", () => {
    expect(FIGURES.filter((figure) => !isMoving(POSES[figure]))).toEqual(["ended", "error", "locked"]);
  });

  it("has a closed edge, and a round one where nothing moves it", () => {
    expect(edgeAt(0, 3, 0.1, 1)).toBeCloseTo(edgeAt(2 * Math.PI, 3, 0.1, 1));
    expect(edgeAt(1, 7, 0, 0)).toBe(1);
  });
});
