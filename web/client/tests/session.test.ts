import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Entries, newEntry } from "../src/realtime/entries";
import type { ClientEvent, ServerEvent } from "../src/realtime/events";
import { Session } from "../src/realtime/session";
import { DEFAULT_SETTINGS, type Settings } from "../src/realtime/settings";
import type { LocalEvent } from "../src/realtime/state";
import type { TransportKind } from "../src/realtime/transport";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const CREATED: ServerEvent = {
  type: "session.created",
  session: { instructions: "Be kind.", audio: { output: { voice: "alba" } } },
};
const opened = (items: number): ServerEvent => ({
  type: "duologue.conversation.opened",
  conversation_id: "conv_1",
  kept: true,
  items,
});

interface Given {
  settings?: Partial<Settings>;
  isPushToTalk?: boolean;
  history?: Entries;
  removed?: string[];
}

/** A session on a line that notes what is sent, with a clock of its own. */
function session({ settings = {}, isPushToTalk = false, history = [], removed = [] }: Given = {}) {
  const sent: ClientEvent[] = [];
  const told: LocalEvent[] = [];
  const muted: boolean[] = [];
  let nowMs = 0;
  const made = new Session({
    settings: { ...DEFAULT_SETTINGS, ...settings },
    isPushToTalk,
    history: () => history,
    removed: () => removed.splice(0),
    tell: (event) => void told.push(event),
    setMuted: (isMuted) => void muted.push(isMuted),
    nowMs: () => nowMs,
  });
  const line = (kind: TransportKind) => ({
    kind,
    send: (event: ClientEvent) => void sent.push(event),
    interrupt: async () => void sent.push({ type: "response.cancel" }),
  });
  made.use(line("websocket"));
  const types = () => sent.splice(0).map((event) => event.type);
  const wait = (ms: number) => {
    nowMs += ms;
    vi.advanceTimersByTime(ms);
  };
  return { made, sent, told, muted, types, wait, line };
}

const said = [
  newEntry("u", "user", { text: "Hello.", status: "final" }),
  newEntry("t", "tool"),
  newEntry("a", "assistant", {
    text: "Good day to you.",
    status: "interrupted",
    isSpoken: true,
    audioMs: 1000,
    heardMs: 600,
    cues: [{ char: 0, ms: 0 }],
  }),
];

describe("a session", () => {
  it("stands once it is known what the server remembers", () => {
    const { made, types } = session();
    expect(made.receive(CREATED)).toBe(false);
    expect(made.receive(opened(0))).toBe(true);
    expect(made.receive({ type: "session.updated" })).toBe(false);
    expect(types()).toEqual(["session.update"]);
  });

  it("is told what was said and heard, where the server does not know", () => {
    const { made, sent } = session({ history: said });
    made.receive(CREATED);
    expect(made.receive({ type: "session.updated" }), "a server that keeps nothing").toBe(true);
    expect(sent.slice(1)).toEqual([
      {
        type: "conversation.item.create",
        item: { id: "u", type: "message", role: "user", content: [{ type: "input_text", text: "Hello." }] },
      },
      {
        type: "conversation.item.create",
        item: {
          id: "a",
          type: "message",
          role: "assistant",
          content: [{ type: "output_text", text: "Good day" }],
        },
      },
    ]);
  });

  it("tells a server that remembers only how much was heard when the line was lost, and what was taken out", () => {
    const { made, sent, line } = session({ history: said, removed: ["x"] });
    made.receive(CREATED);
    made.receive(opened(0));
    sent.splice(0);
    made.use(line("websocket"));
    made.receive(CREATED);
    made.receive(opened(3));
    expect(sent.slice(1)).toEqual([
      { type: "conversation.item.truncate", item_id: "a", content_index: 0, audio_end_ms: 600 },
    ]);
  });

  it("leaves that to a server that played the answer itself", () => {
    const { made, types, line } = session({ history: said });
    made.use(line("webrtc"));
    made.receive(CREATED);
    made.receive(opened(0));
    types();
    made.use(line("websocket"));
    made.receive(CREATED);
    made.receive(opened(3));
    expect(types()).toEqual(["session.update"]);
  });

  it("takes new settings at once, and goes back to the server's own", () => {
    const { made, sent } = session({ settings: { voice: "else" } });
    made.configure(DEFAULT_SETTINGS);
    expect(sent, "not before it stands").toEqual([]);
    made.receive(CREATED);
    made.receive(opened(0));
    made.configure({ ...DEFAULT_SETTINGS, speed: 1.2 });
    expect(sent.at(-1)).toMatchObject({
      session: { instructions: "Be kind.", audio: { output: { speed: 1.2, voice: "alba" } } },
    });
  });

  it("does without what the server refuses", () => {
    const { made, sent } = session({ settings: { voice: "gone", language: "de" } });
    made.receive(CREATED);
    const { event_id } = sent[0] as { event_id: string };
    const refusal = { event_id, param: "session.audio.output.voice", message: "No such voice." };
    made.receive({ type: "error", error: { ...refusal, event_id: "another" } });
    expect(sent).toHaveLength(1);
    made.receive({ type: "error", error: refusal });
    expect(sent).toHaveLength(2);
    expect(sent[1]).toMatchObject({
      session: { audio: { input: { transcription: { language: "de" } }, output: { speed: 1 } } },
    });
    expect(JSON.stringify(sent[1])).not.toContain("gone");
  });

  it("asks which words the server counts as heard", () => {
    const { made, sent } = session();
    made.receive({ type: "conversation.item.truncated", item_id: "a", audio_end_ms: 5 });
    expect(sent).toEqual([{ type: "conversation.item.retrieve", item_id: "a" }]);
  });

  it("sends typed words after it has silenced the answer", async () => {
    const { made, types, told } = session();
    made.say("Stop.");
    await Promise.resolve();
    await Promise.resolve();
    expect(types()).toEqual(["response.cancel", "conversation.item.create", "response.create"]);
    expect(told).toMatchObject([{ type: "page.typed", text: "Stop." }]);
  });

  it("sends the user's word on a tool", () => {
    const { made, sent } = session();
    made.approve("ask", false);
    const item = { type: "mcp_approval_response", approval_request_id: "ask", approve: false };
    expect(sent).toEqual([{ type: "conversation.item.create", item }]);
  });
});

describe("the held button", () => {
  function open(more: Given = {}) {
    const all = session({ isPushToTalk: true, ...more });
    all.made.receive(CREATED);
    all.made.receive(opened(0));
    all.sent.splice(0);
    return all;
  }

  it("makes a turn of what was said while it was held, and a moment more", () => {
    const { made, types, told, muted, wait } = open();
    made.hold(true);
    expect(types()).toEqual(["input_audio_buffer.clear", "response.cancel"]);
    wait(900);
    made.hold(false);
    expect(types()).toEqual([]);
    expect(muted).toEqual([false]);
    wait(200);
    expect(types()).toEqual(["input_audio_buffer.commit", "response.create"]);
    expect(muted).toEqual([false, true]);
    expect(told).toEqual([
      { type: "page.muted", isMuted: false },
      { type: "page.released", isEmpty: false },
    ]);
  });

  it("throws away what is too short for words", () => {
    const { made, types, told, wait } = open();
    made.hold(true);
    wait(299);
    made.hold(false);
    wait(1000);
    expect(types().slice(2)).toEqual(["input_audio_buffer.clear"]);
    expect(told.at(-1)).toEqual({ type: "page.released", isEmpty: true });
  });

  it("goes on with the same turn when it is pressed again at once", () => {
    const { made, types, wait } = open();
    made.hold(true);
    wait(900);
    made.hold(false);
    wait(100);
    made.hold(true);
    wait(900);
    made.hold(false);
    wait(200);
    expect(types().slice(2)).toEqual(["input_audio_buffer.commit", "response.create"]);
  });

  it("waits for the end of an answer that is not to be interrupted", () => {
    const { made, types, wait } = open({ settings: { isInterruptible: false } });
    made.receive({ type: "response.created", response: { id: "r", status: "in_progress" } });
    made.hold(true);
    wait(900);
    made.hold(false);
    wait(200);
    expect(types()).toEqual(["input_audio_buffer.clear", "input_audio_buffer.commit"]);
    made.receive({ type: "response.done", response: { id: "r", status: "completed" } });
    expect(types()).toEqual(["response.create"]);
  });

  it("does nothing where the microphone is open, or nobody is there", () => {
    const { made, types } = session();
    made.hold(true);
    made.receive(CREATED);
    made.receive(opened(0));
    made.hold(true);
    expect(types()).toEqual(["session.update"]);
  });

  it("can be chosen in mid-talk", () => {
    const { made, sent, muted } = session();
    made.receive(CREATED);
    made.receive(opened(0));
    made.usePushToTalk(true);
    expect(sent.at(-1)).toMatchObject({ session: { audio: { input: { turn_detection: null } } } });
    made.usePushToTalk(false);
    expect(sent.at(-1)).toMatchObject({
      session: { audio: { input: { turn_detection: { type: "semantic_vad" } } } },
    });
    expect(muted).toEqual([true, false]);
  });
});
