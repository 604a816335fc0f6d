import { describe, expect, it } from "vitest";
import { Pace } from "../src/realtime/pace";

const words = (count: number) => "x".repeat(count);

describe("Pace", () => {
  it("hears nothing before sound plays", () => {
    const pace = new Pace();
    pace.words("r", "a", words(100));
    expect(pace.heard(5000)).toBeNull();
    expect(pace.isPlaying).toBe(false);
  });

  it("goes through the words at an even pace, item by item, and no further", () => {
    const pace = new Pace();
    const first = pace.words("r", "a", words(30));
    const second = pace.words("r", "b", words(15));
    pace.started("r", 1000);
    expect(pace.heard(1500)).toEqual({ itemId: "a", ms: 500 });
    expect(pace.heard(1000 + first + 200)).toEqual({ itemId: "b", ms: 200 });
    expect(pace.heard(60_000)).toEqual({ itemId: "b", ms: Math.round(second) });
  });

  it("takes words that come while it plays", () => {
    const pace = new Pace();
    pace.words("r", "a", words(10));
    pace.started("r", 0);
    pace.words("r", "a", words(90));
    expect(pace.heard(3000)).toEqual({ itemId: "a", ms: 3000 });
  });

  it("stands still while the answer is held, and learns nothing from the time that took", () => {
    const pace = new Pace();
    pace.words("r", "a", words(100));
    pace.started("r", 0);
    pace.held("r", 1000);
    pace.held("r", 1200);
    expect(pace.heard(3000)).toEqual({ itemId: "a", ms: 1000 });
    pace.resumed("r", 3000);
    pace.resumed("r", 3500);
    expect(pace.heard(3500)).toEqual({ itemId: "a", ms: 1500 });
    pace.stopped("r", 12_000);
    expect(pace.words("s", "b", words(10))).toBeCloseTo(1000);
  });

  it("learns the voice's pace from an answer that was heard whole", () => {
    const pace = new Pace();
    pace.words("r", "a", words(100));
    pace.started("r", 0);
    pace.stopped("r", 10_000);
    expect(pace.words("s", "b", words(10))).toBeCloseTo(1000);
  });

  it("learns nothing from one that was cut, nor from a fault", () => {
    const pace = new Pace();
    const usual = pace.words("r", "a", words(10));
    pace.started("r", 0);
    pace.cleared("r");
    expect(pace.words("s", "b", words(10))).toBe(usual);
    pace.started("s", 0);
    pace.stopped("s", 3_600_000);
    expect(pace.words("t", "c", words(10))).toBeLessThan(4000);
  });

  it("leaves words of the next answer alone when one ends", () => {
    const pace = new Pace();
    pace.words("r", "a", words(10));
    pace.started("r", 0);
    const next = pace.words("s", "b", words(10));
    pace.stopped("r", 500);
    expect(pace.isPlaying).toBe(false);
    pace.started("s", 1000);
    expect(pace.heard(60_000)).toEqual({ itemId: "b", ms: Math.round(next) });
  });
});
