import { describe, expect, it } from "vitest";
import { Onset } from "../src/realtime/onset";
import { Timekeeper } from "../src/realtime/timekeeper";

const created = (id: string) =>
  ({ type: "response.created", response: { id, status: "in_progress" } }) as const;

describe("typed words", () => {
  it("are timed from the moment they were sent", () => {
    const clock = new Timekeeper();
    clock.typed(10);
    clock.follow(created("r"), 10);
    clock.arrived("r", 10.08);
    expect(clock.audible("r", 10.2)).toEqual({
      type: "page.answered",
      ms: null,
      replyId: "r",
      timing: { endEarlierMs: 0, arrivedMs: 80, audibleMs: 200 },
    });
    expect(clock.audible("r", 10.3), "once").toBeNull();
  });

  it("are not answered by what was still under way", () => {
    const clock = new Timekeeper();
    clock.typed(10);
    expect(clock.audible("before", 10.01)).toBeNull();
    clock.follow(created("r"), 10);
    clock.follow(created("after"), 10);
    expect(clock.audible("after", 11)).toBeNull();
  });
});

describe("spoken turns", () => {
  const since = { committed: 300, first_sent: 310 };
  const timing = (response_id: string) =>
    ({
      type: "duologue.response.timing",
      response_id,
      ms_since_speech_end: since,
      audio_end_ms: 2040,
    }) as const;

  /** Speech from 1 s to 2 s. */
  function spoken(): Timekeeper {
    const clock = new Timekeeper();
    for (let i = 1; i <= 150; i++) clock.hear(i > 50 && i <= 100 ? 0.1 : 0.001, i * 0.02);
    const start = { type: "input_audio_buffer.speech_started", item_id: "u", audio_start_ms: 1000 } as const;
    clock.follow(start, 1.2);
    clock.follow({ type: "input_audio_buffer.speech_stopped", item_id: "u", audio_end_ms: 2100 }, 2.3);
    return clock;
  }

  it("are timed from the end of speech, by the page and by the server", () => {
    const clock = spoken();
    clock.follow(timing("r"), 2.4);
    clock.arrived("r", 2.5);
    expect(clock.audible("r", 2.6)).toEqual({
      type: "page.answered",
      ms: 600,
      replyId: "r",
      timing: { endEarlierMs: 40, arrivedMs: 500, audibleMs: 600 },
    });
  });

  it("may be told of their first sound before they are told of the times", () => {
    const clock = spoken();
    clock.arrived("r", 2.5);
    clock.follow(timing("r"), 2.51);
    expect(clock.audible("r", 2.6)).toMatchObject({ timing: { arrivedMs: 500 } });
  });

  it("are not answered by what comes much later: a tool's follow-up, a second answer", () => {
    const unanswered = spoken();
    expect(unanswered.audible("follow-up", 13)).toBeNull();
    const clock = spoken();
    clock.follow(timing("r"), 2.4);
    expect(clock.audible("follow-up", 2.5)).toBeNull();
    expect(clock.audible("r", 2.6)?.type).toBe("page.answered");
    expect(clock.audible("second", 13)).toBeNull();
  });

  it("are not answered by the reply to the turn before", () => {
    const clock = spoken();
    clock.follow(timing("r"), 2.4);
    clock.follow({ type: "input_audio_buffer.speech_started", item_id: "v", audio_start_ms: 2500 }, 2.6);
    clock.follow({ type: "input_audio_buffer.speech_stopped", item_id: "v", audio_end_ms: 2800 }, 3);
    expect(clock.audible("r", 3.1)).toBeNull();
  });
});

describe("the first sound on a track", () => {
  it("is the first after silence", () => {
    const onset = new Onset();
    expect(onset.hear(1)).toBeNull();
    expect(onset.hear(null)).toBeNull();
    onset.expect("r");
    expect(onset.hear(null)).toBeNull();
    expect(onset.hear(2)).toEqual({ replyId: "r", atS: 2 });
    expect(onset.hear(2.02)).toBeNull();
  });

  it("is not the end of the answer before", () => {
    const onset = new Onset();
    onset.hear(1);
    onset.expect("r");
    expect(onset.hear(1.02)).toBeNull();
    onset.hear(null);
    expect(onset.hear(1.1)).toEqual({ replyId: "r", atS: 1.1 });
  });

  it("is not told where one runs into the other", () => {
    const onset = new Onset();
    onset.hear(1);
    onset.expect("r");
    for (let i = 0; i < 20; i++) expect(onset.hear(1 + i * 0.02)).toBeNull();
    onset.hear(null);
    expect(onset.hear(2)).toBeNull();
  });
});
