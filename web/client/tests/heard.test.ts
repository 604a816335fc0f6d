import { describe, expect, it } from "vitest";
import { heardLength } from "../src/realtime/heard";

const text = "One two three four";
const cues = [
  { char: 0, ms: 0 },
  { char: 8, ms: 1000 },
];
const at = (heardMs: number) => text.slice(0, heardLength({ text, cues, audioMs: 2000, heardMs }));

describe("heardLength", () => {
  it("is nothing before the first sound, and everything after the last", () => {
    expect(at(0)).toBe("");
    expect(at(2000)).toBe(text);
    expect(at(9999)).toBe(text);
  });

  it("ends between words, and never beyond the share that was played", () => {
    expect(at(400)).toBe("One");
    expect(at(500)).toBe("One ");
    expect(at(1000)).toBe("One two ");
    expect(at(1400)).toBe("One two ");
    expect(at(1990)).toBe("One two three ");
  });

  it("spreads text that came all at once over the sound that followed", () => {
    const all = { text, cues: [{ char: 0, ms: 0 }], audioMs: 1800 };
    expect(text.slice(0, heardLength({ ...all, heardMs: 900 }))).toBe("One two ");
  });

  it("takes several pieces at one point as one", () => {
    const pieces = [
      { char: 0, ms: 0 },
      { char: 4, ms: 0 },
      { char: 8, ms: 0 },
    ];
    expect(heardLength({ text, cues: pieces, audioMs: 1800, heardMs: 900 })).toBe(8);
  });

  it("hears nothing of text that has no sound yet", () => {
    expect(heardLength({ text, cues: [{ char: 0, ms: 0 }], audioMs: 0, heardMs: 0 })).toBe(0);
  });

  it("leaves text that follows the last sound so far unheard until that sound is", () => {
    const late = [...cues, { char: 14, ms: 2000 }];
    expect(heardLength({ text, cues: late, audioMs: 2000, heardMs: 1999 })).toBeLessThanOrEqual(14);
  });
});
