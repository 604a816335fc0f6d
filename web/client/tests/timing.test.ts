import { describe, expect, it } from "vitest";
import {
  type PageTiming,
  type ServerTiming,
  type Stage,
  stagesOf,
  type TurnTiming,
  totalMs,
} from "../src/realtime/timing";

const SERVER: ServerTiming = {
  committedMs: 512.3,
  wordsMs: 300.2,
  textMs: 421,
  phraseMs: 540.4,
  spokenMs: 590.8,
  sentMs: 592.1,
};
const PAGE: PageTiming = { endEarlierMs: 0, arrivedMs: 640.6, audibleMs: 701.4 };

function turn(server: ServerTiming | null, page: PageTiming | null): TurnTiming {
  return { replyId: "r", itemId: "i", atMs: 0, server, page, dropped: 0, droppedMs: 0 };
}

function waits(stages: Stage[]): Record<string, number> {
  return Object.fromEntries(stages.map(({ name, waitedMs }) => [name, waitedMs]));
}

function sum(stages: Stage[]): number {
  return stages.reduce((ms, { waitedMs }) => ms + waitedMs, 0);
}

describe("the stages of a turn", () => {
  it("tell what was waited for, to the whole ms", () => {
    expect(waits(stagesOf(turn(SERVER, PAGE)))).toEqual({
      endpointing: 512,
      transcription: 0,
      first_token: 0,
      first_phrase: 28,
      first_audio: 51,
      delivery: 50,
      buffer: 60,
    });
  });

  it("tell what was made ahead, beside the wait for the end of the turn", () => {
    const [, words, text, phrase, sound] = stagesOf(turn(SERVER, PAGE));
    expect(words).toMatchObject({ fromMs: 0, toMs: 300, isSpeculative: true });
    expect(text).toMatchObject({ fromMs: 300, toMs: 421, isSpeculative: true });
    expect(phrase).toMatchObject({ fromMs: 421, toMs: 540, isSpeculative: false });
    expect(sound).toMatchObject({ fromMs: 540, toMs: 591, isSpeculative: false });
  });

  it("begin where the page puts the end of speech", () => {
    const stages = stagesOf(turn(SERVER, { ...PAGE, endEarlierMs: 40 }));
    expect(stages[0]).toMatchObject({ name: "endpointing", toMs: 552 });
    expect(stages[1]).toMatchObject({ name: "transcription", toMs: 340 });
    expect(sum(stages)).toBe(701);
  });

  it("leave out what was not needed", () => {
    const names = stagesOf(turn({ ...SERVER, phraseMs: null, spokenMs: null }, null)).map(({ name }) => name);
    expect(names).toEqual(["endpointing", "transcription", "first_token", "delivery"]);
  });

  it("are delivery and buffer alone where the server told nothing, and none where nobody did", () => {
    expect(waits(stagesOf(turn(null, PAGE)))).toEqual({ delivery: 641, buffer: 60 });
    expect(stagesOf(turn(null, null))).toEqual([]);
    expect(totalMs(turn(null, null))).toBeNull();
  });

  it.each<[string, ServerTiming | null, PageTiming | null]>([
    ["of both", SERVER, PAGE],
    ["of the server alone", SERVER, null],
    ["of the page alone", null, PAGE],
    ["with an end of speech that the page puts later", SERVER, { ...PAGE, endEarlierMs: -80 }],
    ["with an end that lies after the whole turn", SERVER, { ...PAGE, endEarlierMs: -900 }],
    ["with a sound that was ready after it was heard", { ...SERVER, spokenMs: 2000 }, PAGE],
    ["with a sound that came after it was heard", SERVER, { ...PAGE, arrivedMs: 5000 }],
    ["that were sent before they were there", { ...SERVER, sentMs: 100 }, null],
    ["of nothing", { ...SERVER, committedMs: 0, sentMs: 0 }, null],
  ])("add up to the whole: %s", (_name, server, page) => {
    const timing = turn(server, page);
    const stages = stagesOf(timing);
    expect(sum(stages)).toBe(totalMs(timing));
    for (const { fromMs, toMs, waitedMs } of stages) {
      expect(fromMs).toBeGreaterThanOrEqual(0);
      expect(toMs).toBeGreaterThanOrEqual(fromMs);
      expect(waitedMs).toBeLessThanOrEqual(toMs - fromMs);
      expect(Number.isInteger(waitedMs)).toBe(true);
    }
  });
});
