/** The states that the gallery shows. */

import {
  type ConversationState,
  type Entry,
  INITIAL,
  type ToolUse,
  type Trouble,
  type TurnTiming,
} from "duologue-client";

const BEGUN_MS = Date.UTC(2025, 4, 12, 9, 41, 3);

let count = 0;

function entry(role: Entry["role"], text: string, more: Partial<Entry> = {}): Entry {
  count += 1;
  return {
    id: `item_${count}`,
    role,
    text,
    atMs: BEGUN_MS + count * 7000,
    status: "final",
    isSpoken: role === "assistant",
    // All of it was heard.
    kept: text,
    tool: null,
    cues: [],
    audioMs: 0,
    heardMs: 0,
    ...more,
  } as Entry;
}

function tool(use: Partial<ToolUse>): Entry {
  const empty = { server: "almanac", arguments: "{}", output: null, failure: null };
  return entry("tool", "", { tool: { name: "tool", status: "done", ...empty, ...use } });
}

const LONG =
  "There was once a lighthouse keeper named Ines, who lived on a rock with a lamp, a stove and a very old cat.";

const said: Entry[] = [
  entry("user", "Good morning."),
  entry("assistant", "Good morning! What would you like to talk about?"),
  entry("user", "When is high tide today?"),
  tool({
    name: "tide_table",
    arguments: '{"place":"Aveiro","day":"today"}',
    output: '{"high":["04:12","16:37"],"low":["10:21","22:49"]}',
  }),
  entry("assistant", "The next high tide is at 16:37 this afternoon."),
  entry("user", "Tell me a story."),
  entry("assistant", LONG, { status: "interrupted", kept: LONG.slice(0, 62), audioMs: 6000, heardMs: 3200 }),
  entry("user", "Is there a shorter one?"),
];

const answer = entry("assistant", "There is. A fisherman threw back a fish, and it brought him another.", {
  status: "tentative",
  kept: "There is. A fisherman threw",
  audioMs: 4000,
  heardMs: 1700,
});
const partial = entry("user", "And what happened to the", { status: "tentative" });

const asked = said.filter(({ role }) => role === "user");
const timings: TurnTiming[] = [820, 640, 1310, 590].map((audibleMs, i) => ({
  replyId: `resp_${i}`,
  itemId: asked[i]?.id ?? null,
  atMs: BEGUN_MS + i * 14_000,
  server: {
    committedMs: 320,
    wordsMs: 240,
    textMs: 300 + i * 20,
    phraseMs: 360 + i * 20,
    spokenMs: audibleMs - 160,
    sentMs: audibleMs - 150,
  },
  page: { endEarlierMs: 24, arrivedMs: audibleMs - 70, audibleMs },
  dropped: i === 2 ? 1 : 0,
  droppedMs: i === 2 ? 410 : 0,
}));

const answers = said.filter(({ role }) => role === "assistant");
/** As after a reload: the server's figures, by the answers' items. */
const restored = timings.slice(0, 3).map((timing, i) => ({
  ...timing,
  replyId: answers[i]?.id ?? timing.replyId,
  page: null,
  dropped: 0,
  droppedMs: 0,
}));
/** One that the page could not measure, and one that the server told nothing of. */
const mixed = timings.map((timing, i) =>
  i === 0
    ? { ...timing, page: null }
    : i === 2
      ? { ...timing, server: null, page: { endEarlierMs: 0, arrivedMs: 700, audibleMs: 900 } }
      : timing,
);

const open: ConversationState = {
  ...INITIAL,
  link: "open",
  transport: "webrtc",
  conversationId: "conv_7f",
  isKept: true,
};
const talking: ConversationState = { ...open, entries: said, answeredMs: 590, timings };

function trouble(kind: Trouble["kind"], entries: readonly Entry[] = []): ConversationState {
  return { ...INITIAL, link: "failed", trouble: { kind }, entries };
}

const long: Entry[] = Array.from({ length: 1000 }, (_, i) =>
  entry(i % 2 ? "assistant" : "user", `${i + 1}: ${i % 2 ? LONG : "And then?"}`),
);

export const STATES: Record<string, ConversationState> = {
  idle: INITIAL,
  connecting: { ...INITIAL, link: "connecting" },
  warming: {
    ...INITIAL,
    link: "waiting",
    wait: { kind: "warming", message: "3 of 5 ready, waiting for whisper.", ready: 3, of: 5 },
  },
  queueing: { ...INITIAL, link: "waiting", wait: { kind: "line", position: 3, of: 5 } },
  first: open,
  "first-hearing": { ...open, speechItem: "item_0" },
  "first-muted": { ...open, isMuted: true },
  "first-thinking": { ...open, pendingItem: "item_0" },
  "first-speaking": { ...open, isPlaying: true },
  "first-interrupted": { ...open, speechItem: "item_0", hasCutIn: true },
  "first-reconnecting": { ...open, link: "reconnecting" },
  "first-ended": { ...open, link: "ended" },
  listening: talking,
  hearing: { ...talking, speechItem: partial.id, entries: [...said, partial] },
  thinking: { ...talking, pendingItem: said.at(-1)?.id ?? null },
  speaking: { ...talking, isPlaying: true, entries: [...said, answer] },
  interrupted: { ...talking, speechItem: partial.id, hasCutIn: true, entries: [...said, partial] },
  muted: { ...talking, isMuted: true },
  pushed: { ...talking, isPushToTalk: true, isMuted: true },
  held: { ...talking, isPushToTalk: true, speechItem: partial.id, entries: [...said, partial] },
  asking: {
    ...talking,
    entries: [
      ...said.slice(0, 6),
      tool({ name: "calendar_list", server: "calendar", status: "running" }),
      tool({ name: "mail_search", server: "mail", status: "failed", failure: "The mail server is away." }),
      tool({
        name: "send_message",
        server: "mail",
        status: "asks",
        arguments: '{"to":"Ines","text":"High tide is at 16:37."}',
      }),
    ],
  },
  trimmed: { ...talking, knownFrom: said[4]?.id ?? null, transport: "websocket", fallback: "no-path" },
  typing: { ...talking, hasMicrophone: false },
  reconnecting: { ...talking, link: "reconnecting" },
  silenced: { ...talking, isPlaying: true, isSilenced: true, entries: [...said, answer] },
  switched: { ...talking, transport: "websocket", fallback: "broken", hasSwitched: true },
  ended: { ...talking, link: "ended" },
  forgotten: { ...talking, link: "ended", isKept: false, conversationId: null },
  shown: { ...INITIAL, entries: said, conversationId: "conv_7f", isKept: true, timings: restored },
  "timed-in-part": { ...talking, timings: mixed },
  unkept: { ...talking, isKept: false },
  refused: trouble("microphone-refused"),
  away: trouble("server-away"),
  lost: trouble("connection-lost", said),
  key: trouble("key-needed"),
  "key-wrong": trouble("key-wrong"),
  long: { ...talking, isPlaying: true, entries: [...long, answer] },
};
