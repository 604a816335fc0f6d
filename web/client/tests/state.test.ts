import { describe, expect, it } from "vitest";
import { split } from "../src/realtime/entries";
import type { ServerEvent } from "../src/realtime/events";
import { reduce } from "../src/realtime/reduce";
import { type ConversationState, INITIAL, type LocalEvent, phaseOf } from "../src/realtime/state";

type AnyEvent = ServerEvent | LocalEvent;

function given(...events: AnyEvent[]): ConversationState {
  return events.reduce<ConversationState>((state, event) => reduce(state, event), INITIAL);
}

function lines(state: ConversationState): string[] {
  return state.entries.map((entry) => `${entry.role} ${entry.status}: ${entry.text}`);
}

const opened: AnyEvent[] = [{ type: "page.connecting", hasMicrophone: true }, { type: "page.opened" }];
const started = (item_id: string): AnyEvent => ({
  type: "input_audio_buffer.speech_started",
  item_id,
  audio_start_ms: 0,
});
const stopped = (item_id: string): AnyEvent => ({
  type: "input_audio_buffer.speech_stopped",
  item_id,
  audio_end_ms: 900,
});
const committed = (item_id: string): AnyEvent => ({ type: "input_audio_buffer.committed", item_id });
const partial = (item_id: string, delta: string): AnyEvent => ({
  type: "conversation.item.input_audio_transcription.delta",
  item_id,
  delta,
});
const completed = (item_id: string, transcript: string): AnyEvent => ({
  type: "conversation.item.input_audio_transcription.completed",
  item_id,
  transcript,
});
const created: AnyEvent = { type: "response.created", response: { id: "r", status: "in_progress" } };
const words = (delta: string): AnyEvent => ({
  type: "response.output_audio_transcript.delta",
  response_id: "r",
  item_id: "a",
  delta,
});
const sound = (ms: number): AnyEvent => ({ type: "page.sound", id: "a", ms });
const heard = (ms: number): AnyEvent => ({ type: "page.heard", id: "a", ms });
const spoken = (transcript: string): AnyEvent => ({
  type: "response.output_audio_transcript.done",
  item_id: "a",
  transcript,
});
const done = (status: "completed" | "cancelled"): AnyEvent => ({
  type: "response.done",
  response: { id: "r", status },
});

const asked = [...opened, started("u"), stopped("u"), committed("u"), completed("u", "How are you?")];
const answering = [
  ...asked,
  created,
  words("Very "),
  sound(500),
  words("well "),
  sound(500),
  words("today."),
];

describe("phases", () => {
  it("follow a turn from silence to silence", () => {
    const turn: [AnyEvent, string][] = [
      [{ type: "page.connecting", hasMicrophone: true }, "connecting"],
      [{ type: "page.opened" }, "listening"],
      [started("u"), "hearing"],
      [stopped("u"), "listening"],
      [committed("u"), "thinking"],
      [created, "thinking"],
      [words("Well."), "thinking"],
      [sound(300), "thinking"],
      [heard(20), "speaking"],
      [done("completed"), "speaking"],
      [{ type: "page.played_out" }, "listening"],
      [{ type: "page.ended" }, "ended"],
    ];
    let state = INITIAL;
    expect(phaseOf(state)).toBe("idle");
    for (const [event, phase] of turn) {
      state = reduce(state, event);
      expect(phaseOf(state), event.type).toBe(phase);
    }
  });

  it("stay with speaking when the sound runs dry in mid-answer", () => {
    expect(phaseOf(given(...answering, heard(20), { type: "page.played_out" }))).toBe("speaking");
  });

  it("stop waiting when there were no words to answer", () => {
    const state = given(...opened, started("u"), stopped("u"), committed("u"), completed("u", " "));
    expect(phaseOf(state)).toBe("listening");
    expect(state.entries).toEqual([]);
  });

  it("return to listening when speech turns out to be none", () => {
    const state = given(...opened, started("u"), stopped("u"));
    expect(phaseOf(state)).toBe("listening");
  });

  it("think about typed words", () => {
    const state = given(...opened, { type: "page.typed", id: "u", text: "Hello" });
    expect(phaseOf(state)).toBe("thinking");
    expect(lines(state)).toEqual(["user final: Hello"]);
  });

  it("say error when the call fails, and keep the words", () => {
    const state = given(...asked, { type: "page.failed", trouble: { kind: "connection-lost" } });
    expect(phaseOf(state)).toBe("error");
    expect(lines(state)).toEqual(["user final: How are you?"]);
  });
});

describe("the user's words", () => {
  it("are tentative as they come, also before the commit, and replaced by the final ones", () => {
    const partials = given(...opened, started("u"), partial("u", "how "), partial("u", "or you"));
    expect(lines(partials)).toEqual(["user tentative: how or you"]);
    const final = [stopped("u"), committed("u"), completed("u", "How are you?")].reduce(reduce, partials);
    expect(lines(final)).toEqual(["user final: How are you?"]);
  });

  it("stand before the answer even if their transcript comes after it began", () => {
    const state = given(...opened, started("u"), stopped("u"), committed("u"), created, words("Fine."));
    expect(lines(reduce(state, completed("u", "And you?")))).toEqual([
      "user final: And you?",
      "assistant tentative: Fine.",
    ]);
  });

  it("vanish when they were noise", () => {
    const state = given(...opened, started("u"), partial("u", "uh"), completed("u", ""));
    expect(state.entries).toEqual([]);
  });

  it("vanish when the server starts over without a commit", () => {
    const state = given(...opened, started("u"), partial("u", "uh"), started("v"));
    expect(state.entries.map((entry) => entry.id)).toEqual(["v"]);
  });

  it("stay as they are when the transcription fails half-way", () => {
    const state = given(...opened, started("u"), partial("u", "how are"), committed("u"), {
      type: "conversation.item.input_audio_transcription.failed",
      item_id: "u",
    });
    expect(lines(state)).toEqual(["user final: how are"]);
  });
});

describe("the assistant's words", () => {
  it("come as they are spoken, and become final", () => {
    const state = given(...answering, spoken("Very well today."), done("completed"));
    expect(lines(state)[1]).toBe("assistant final: Very well today.");
  });

  it("are split at what was heard", () => {
    const state = given(...answering, heard(600));
    expect(split(state.entries[1] as never)).toEqual({ heard: "Very ", unheard: "well today." });
  });

  it("are all heard once the sound has played out", () => {
    const state = given(...answering, spoken("Very well today."), heard(980), { type: "page.played_out" });
    expect(split(state.entries[1] as never).unheard).toBe("");
  });

  it("stay cut where the user interrupted, whatever arrives late", () => {
    const state = given(
      ...answering,
      heard(500),
      started("v"),
      { type: "page.cut", id: "a", heardMs: 500 },
      words(" Really."),
      sound(400),
      heard(900),
      spoken("Very well today. Really."),
      done("cancelled"),
      { type: "page.played_out" },
    );
    expect(lines(state)[1]).toBe("assistant interrupted: Very well today.");
    expect(split(state.entries[1] as never)).toEqual({ heard: "Very ", unheard: "well today." });
    expect(phaseOf(state)).toBe("interrupted");
  });

  it("are cut where the server says, if its words are ours", () => {
    const retrieved = (transcript: string): AnyEvent => ({
      type: "conversation.item.retrieved",
      item: { id: "a", type: "message", content: [{ type: "output_audio", transcript }] },
    });
    const cut = given(...answering, { type: "page.cut", id: "a", heardMs: 500 });
    expect(split(reduce(cut, retrieved("Very well")).entries[1] as never).heard).toBe("Very well ");
    expect(split(reduce(cut, retrieved("Other")).entries[1] as never).heard).toBe("Very ");
    expect(split(reduce(cut, retrieved("")).entries[1] as never).heard).toBe("Very ");
  });

  it("are interrupted when the response is cancelled before its end", () => {
    expect(lines(given(...answering, done("cancelled")))[1]).toContain("interrupted");
  });

  it("that are only written count as heard", () => {
    const state = given(...asked, created, {
      type: "response.output_text.delta",
      item_id: "a",
      delta: "Hi.",
    });
    expect(split(state.entries[1] as never)).toEqual({ heard: "Hi.", unheard: "" });
  });

  it("are interrupted when the user hangs up in the middle", () => {
    const state = given(...answering, spoken("Very well today."), heard(500), { type: "page.ended" });
    expect(lines(state)[1]).toContain("interrupted");
  });
});

describe("over WebRTC", () => {
  const playout = (what: "started" | "stopped" | "cleared"): AnyEvent => ({
    type: `output_audio_buffer.${what}`,
    response_id: "r",
  });
  const truncated = (audio_end_ms: number): AnyEvent => ({
    type: "conversation.item.truncated",
    item_id: "a",
    audio_end_ms,
  });

  it("the answer is spoken from the server's first sound to its last", () => {
    const turn: [AnyEvent, string][] = [
      [playout("started"), "speaking"],
      [done("completed"), "speaking"],
      [playout("stopped"), "listening"],
    ];
    let state = given(...answering);
    expect(phaseOf(state)).toBe("thinking");
    for (const [event, phase] of turn) {
      state = reduce(state, event);
      expect(phaseOf(state), event.type).toBe(phase);
    }
    expect(split(state.entries[1] as never).unheard).toBe("");
  });

  it("the server cuts the answer, and says where", () => {
    const state = given(
      ...answering,
      playout("started"),
      spoken("Very well today."),
      done("completed"),
      started("v"),
      playout("cleared"),
      truncated(500),
    );
    expect(phaseOf(state)).toBe("interrupted");
    expect(lines(state)[1]).toBe("assistant interrupted: Very well today.");
    expect(split(state.entries[1] as never)).toEqual({ heard: "Very ", unheard: "well today." });
    expect(phaseOf(reduce(state, stopped("v")))).toBe("listening");
  });

  it("a cut that this side made itself stays where it is", () => {
    const cut = given(...answering, { type: "page.cut", id: "a", heardMs: 500 });
    expect(reduce(cut, truncated(900)).entries[1]?.heardMs).toBe(500);
  });
});

describe("the transport", () => {
  const over = (kind: "webrtc" | "websocket", reason: "broken" | "no-path" | null): AnyEvent => ({
    type: "page.transport",
    kind,
    reason,
  });

  it("is known before the call stands, with the reason for it", () => {
    const state = given(
      { type: "page.connecting", hasMicrophone: true },
      over("webrtc", null),
      over("websocket", "no-path"),
    );
    expect(state).toMatchObject({
      link: "connecting",
      transport: "websocket",
      fallback: "no-path",
      hasSwitched: false,
    });
  });

  it("changes in mid-talk with the words kept, and that is said until the user speaks", () => {
    const talk = given(over("webrtc", null), ...answering, heard(500));
    const switching = reduce(talk, over("websocket", "broken"));
    expect(phaseOf(switching)).toBe("connecting");
    expect(lines(switching)).toEqual(["user final: How are you?", "assistant interrupted: Very well today."]);
    const resumed = reduce(switching, { type: "page.opened" });
    expect(phaseOf(resumed)).toBe("listening");
    expect(resumed).toMatchObject({ transport: "websocket", fallback: "broken", hasSwitched: true });
    expect(reduce(resumed, started("v")).hasSwitched).toBe(false);
  });
});

describe("faults", () => {
  const error = (code: string): AnyEvent => ({ type: "error", error: { code, message: "No such thing." } });

  it("are shown, unless they only say that a request came too late", () => {
    expect(given(...opened, error("invalid_value")).notice).toBe("No such thing.");
    expect(given(...opened, error("response_cancel_not_active")).notice).toBeNull();
    expect(given(...opened, error("item_truncate_invalid_item_id")).notice).toBeNull();
  });

  it("of an answer are shown until the user speaks again", () => {
    const failed: AnyEvent = {
      type: "response.done",
      response: {
        id: "r",
        status: "failed",
        status_details: { error: { message: "The chat server is away." } },
      },
    };
    const state = given(...asked, created, failed);
    expect(state.notice).toBe("The chat server is away.");
    expect(phaseOf(state)).toBe("listening");
    expect(reduce(state, started("v")).notice).toBeNull();
  });
});

describe("a new start", () => {
  const connecting: AnyEvent = { type: "page.connecting", hasMicrophone: true };

  it("clears the page after an end", () => {
    expect(given(...asked, { type: "page.ended" }, connecting).entries).toEqual([]);
  });

  it("keeps the words after a lost connection", () => {
    const lost: AnyEvent = { type: "page.failed", trouble: { kind: "connection-lost" } };
    expect(lines(given(...asked, lost, connecting))).toEqual(["user final: How are you?"]);
  });
});

it("ignores events that it does not know", () => {
  const state = given(...asked);
  expect(reduce(state, { type: "rate_limits.updated" } as never)).toBe(state);
});
