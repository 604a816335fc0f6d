import { describe, expect, it } from "vitest";
import { reduce } from "../src/realtime/reduce";
import { type ConversationState, type Happening, INITIAL, phaseOf } from "../src/realtime/state";

function after(state: ConversationState, ...events: Happening[]): ConversationState {
  return events.reduce<ConversationState>((before, event) => reduce(before, event), state);
}

const OPEN = after(INITIAL, { type: "page.connecting", hasMicrophone: true }, { type: "page.opened" });
const started = (item_id: string, atMs = 0): Happening => ({
  type: "input_audio_buffer.speech_started",
  item_id,
  audio_start_ms: 0,
  atMs,
});
const stopped: Happening = { type: "input_audio_buffer.speech_stopped", item_id: "u", audio_end_ms: 900 };
const committed = (item_id: string): Happening => ({ type: "input_audio_buffer.committed", item_id });
const created = (id: string, atMs = 0): Happening => ({
  type: "response.created",
  response: { id, status: "in_progress", conversation_id: "conv_1" },
  atMs,
});
const dropped = (compute_ms: number, kept = false): Happening => ({
  type: "duologue.attempt.ended",
  kept,
  level: "text",
  compute_ms,
});
const timing = (response_id: string): Happening => ({
  type: "duologue.response.timing",
  response_id,
  item_id: "u",
  ms_since_speech_end: { committed: 300, transcript: 180, first_text: null, first_sent: 320 },
  audio_end_ms: 900,
});
const page = { endEarlierMs: 20, arrivedMs: 380, audibleMs: 410 };
const server = {
  committedMs: 300,
  wordsMs: 180,
  textMs: null,
  phraseMs: null,
  spokenMs: null,
  sentMs: 320,
};
const heard = (id: string): Happening => ({ type: "page.heard", id, ms: 100 });
const words: Happening = {
  type: "response.output_audio_transcript.delta",
  response_id: "r",
  item_id: "a",
  delta: "Well, ",
};
const sound: Happening = { type: "page.sound", id: "a", ms: 900 };

describe("the times of a turn", () => {
  const answered: Happening = { type: "page.answered", ms: 410, replyId: "r", timing: page };

  it("come from the server and from the page, with what was made in vain", () => {
    const turn = [started("u"), dropped(40), dropped(60), stopped, dropped(70, true), committed("u")];
    const state = after(OPEN, ...turn, created("r", 5000), timing("r"), answered);
    expect(state.timings).toEqual([
      { replyId: "r", itemId: "u", atMs: 5000, server, page, dropped: 2, droppedMs: 100 },
    ]);
    expect(state.answeredMs).toBe(410);
  });

  it("of what was typed are the page's alone", () => {
    const typed: Happening = { type: "page.typed", id: "t", text: "Hello." };
    const soon: Happening = { type: "page.answered", ms: null, replyId: "r", timing: page };
    const state = after(OPEN, started("u"), dropped(40), stopped, typed, created("r", 9), soon);
    expect(state.timings).toEqual([
      { replyId: "r", itemId: "t", atMs: 9, server: null, page, dropped: 0, droppedMs: 0 },
    ]);
    expect(state.answeredMs).toBeNull();
  });

  it("stay apart where a turn follows at once", () => {
    const state = after(
      OPEN,
      started("u"),
      committed("u"),
      created("r"),
      timing("r"),
      started("v"),
      dropped(9),
      answered,
      committed("v"),
      created("s"),
      { ...timing("s"), item_id: "v" } as Happening,
    );
    expect(
      state.timings.map(({ replyId, itemId, page, dropped }) => [replyId, itemId, page, dropped]),
    ).toEqual([
      ["r", "u", page, 0],
      ["s", "v", null, 1],
    ]);
  });

  it("are those of entries, too", () => {
    const state = after(OPEN, started("u", 1000), committed("u"), created("r"), { ...words, atMs: 2000 });
    expect(state.entries.map((entry) => entry.atMs)).toEqual([1000, 2000]);
  });
});

describe("who cuts in", () => {
  const speaking = after(OPEN, started("u"), committed("u"), created("r"), words, sound, heard("a"));
  const cut: Happening = { type: "page.cut", id: "a", heardMs: 100 };

  it("has the floor until the turn is over", () => {
    const state = after(speaking, started("v"), cut);
    expect([state.hasCutIn, phaseOf(state)]).toEqual([true, "interrupted"]);
    expect(after(state, { ...stopped }).hasCutIn).toBe(false);
    expect(after(state, created("s")).hasCutIn).toBe(false);
    expect(after(state, { type: "page.typed", id: "t", text: "Stop." }).hasCutIn).toBe(false);
  });

  it("did not do so by typing, or where nothing was stopped", () => {
    expect(after(speaking, { type: "page.typed", id: "t", text: "Stop." }, cut).hasCutIn).toBe(false);
    const over = after(speaking, started("v"));
    expect([over.hasCutIn, phaseOf(over)]).toEqual([false, "hearing"]);
    expect(after(OPEN, started("v")).hasCutIn).toBe(false);
  });
});

describe("the microphone", () => {
  it("is muted, and that is seen once nothing else is", () => {
    const muted = after(OPEN, { type: "page.muted", isMuted: true });
    expect(phaseOf(muted)).toBe("muted");
    expect(phaseOf(after(muted, committed("u")))).toBe("thinking");
    expect(phaseOf(after(muted, { type: "page.muted", isMuted: false }))).toBe("listening");
  });

  it("is open while the button is held", () => {
    const ready = after(OPEN, { type: "page.push_to_talk", isOn: true });
    expect(phaseOf(ready)).toBe("muted");
    const held = after(ready, { type: "page.muted", isMuted: false });
    expect(phaseOf(held)).toBe("hearing");
    expect(phaseOf(after(held, { type: "page.released", isEmpty: true }))).toBe("muted");
    const released = after(held, { type: "page.released", isEmpty: false });
    expect(phaseOf(released)).toBe("thinking");
    const nothing: Happening = {
      type: "error",
      error: { code: "input_audio_buffer_commit_empty", message: "Too short." },
    };
    const empty = after(released, nothing);
    expect([phaseOf(empty), empty.notice]).toEqual(["muted", null]);
    expect(phaseOf(after(ready, { type: "page.push_to_talk", isOn: false }))).toBe("listening");
  });

  it("stays muted over an accident, and is open in a new talk", () => {
    const muted = after(OPEN, { type: "page.muted", isMuted: true });
    const connecting: Happening = { type: "page.connecting", hasMicrophone: true };
    const lost: Happening = { type: "page.failed", trouble: { kind: "connection-lost" } };
    expect(after(muted, lost, connecting).isMuted).toBe(true);
    expect(after(muted, { type: "page.ended" }, connecting).isMuted).toBe(false);
  });

  it("that went away is told until the user speaks", () => {
    const gone = after(OPEN, { type: "page.device", notice: "microphone-switched" });
    expect(gone.deviceNotice).toBe("microphone-switched");
    expect(after(gone, started("u")).deviceNotice).toBeNull();
  });
});

describe("a line that is lost", () => {
  const opened: Happening = {
    type: "duologue.conversation.opened",
    conversation_id: "conv_1",
    kept: true,
    items: 0,
  };
  const talk = after(OPEN, opened, started("u"), committed("u"), created("r"), words, sound, heard("a"));

  it("leaves the words, and nobody speaks", () => {
    const lost = after(talk, { type: "page.reconnecting" });
    expect(phaseOf(lost)).toBe("reconnecting");
    expect(lost).toMatchObject({ response: null, isPlaying: false, conversationId: "conv_1", isKept: true });
    expect(lost.entries.map((entry) => [entry.id, entry.status])).toEqual([["a", "interrupted"]]);
    const carried = after(lost, { type: "page.transport", kind: "webrtc", reason: null });
    expect(phaseOf(carried)).toBe("reconnecting");
    expect(phaseOf(after(carried, { type: "page.opened" }))).toBe("listening");
  });

  it("may leave a conversation that the server has forgotten", () => {
    const forgotten = after(talk, { type: "page.reconnecting" }, { type: "page.forgotten" });
    expect(forgotten).toMatchObject({ conversationId: null, isKept: false });
    expect(forgotten.entries).toHaveLength(1);
  });
});

it("knows from where on the assistant knows the conversation", () => {
  expect(after(OPEN, { type: "duologue.context.trimmed", first_item_id: "v" }).knownFrom).toBe("v");
});

it("is speaking from the moment that a short answer is made", () => {
  const done: Happening = { type: "response.done", response: { id: "r", status: "completed" } };
  const made = after(OPEN, started("u"), committed("u"), created("r"), words, sound, done);
  expect(phaseOf(made)).toBe("speaking");
  expect(phaseOf(after(made, heard("a"), { type: "page.played_out" }))).toBe("listening");
});
