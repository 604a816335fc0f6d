/** The conversation as the page knows it. How it comes about: `reduce.ts`. */

import type { Entries } from "./entries";
import type { ServerEvent } from "./events";
import type { FallbackReason } from "./fallback";
import type { Wait } from "./line";
import type { PageTiming, TurnTiming } from "./timing";
import type { TransportKind } from "./transport";
import type { Trouble } from "./trouble";

export type Phase =
  | "idle"
  | "connecting"
  | "reconnecting"
  | "waiting"
  | "listening"
  | "muted"
  | "hearing"
  | "interrupted"
  | "thinking"
  | "speaking"
  | "ended"
  | "error";

export interface ConversationState {
  /** "reconnecting": the line was lost, and is being made anew without anybody's doing. */
  link: "idle" | "connecting" | "reconnecting" | "waiting" | "open" | "ended" | "failed";
  trouble: Trouble | null;
  /** What is waited for while `link` is "waiting". */
  wait: Wait | null;
  /** What the call goes over; null before one is made. */
  transport: TransportKind | null;
  /** Why it does not go over WebRTC. */
  fallback: FallbackReason | null;
  /** Whether the transport changed half-way, and the user has said nothing since. */
  hasSwitched: boolean;
  hasMicrophone: boolean;
  /** By the user: with push-to-talk, whenever the button is not held. */
  isMuted: boolean;
  isPushToTalk: boolean;
  /** The user cut into an answer, and has the floor since. */
  hasCutIn: boolean;
  /** The conversation's id on the server. */
  conversationId: string | null;
  /** Whether the server keeps it. */
  isKept: boolean;
  /** What was said before this item the assistant does not know of any more; null: it knows all. */
  knownFrom: string | null;
  /** The item that the user is speaking into. */
  speechItem: string | null;
  /** Where the speech into an item began, by the server's count of the sound. */
  speech: { itemId: string; fromMs: number } | null;
  /** A user's item that waits for an answer. */
  pendingItem: string | null;
  response: { id: string; isAudible: boolean } | null;
  isPlaying: boolean;
  entries: Entries;
  /** A fault that the conversation survives, in the server's words. */
  notice: string | null;
  /** Voice-to-voice time of the last turn, where it could be measured. */
  answeredMs: number | null;
  /** Of each answered turn, in order. */
  timings: readonly TurnTiming[];
  /** The turn that is under way, or was last. */
  turn: Turn;
  /** What became of a device that was to be used; the talk goes on with the browser's default. */
  deviceNotice: DeviceNotice | null;
  /** The browser keeps all sound off, until the page is touched. */
  isSilenced: boolean;
}

/** What is known of a turn before its answer is heard. */
export interface Turn {
  replyId: string | null;
  /** The user's item. */
  itemId: string | null;
  /** When its answer was begun, ms since the epoch. */
  atMs: number;
  dropped: number;
  droppedMs: number;
}

export type DeviceNotice = "microphone-switched" | "microphone-failed" | "speaker-failed";

/** Something that happened, and when: ms since the epoch. */
export type Happening = (ServerEvent | LocalEvent) & { atMs?: number };

export type LocalEvent =
  /** `conversationId`: one that the server keeps, to be gone on with. After an accident what is shown is gone on with. */
  | { type: "page.connecting"; hasMicrophone: boolean; conversationId?: string }
  | { type: "page.reconnecting" }
  | { type: "page.transport"; kind: TransportKind; reason: FallbackReason | null }
  | { type: "page.waiting"; wait: Wait }
  | { type: "page.admitted" }
  | { type: "page.opened" }
  | { type: "page.ended" }
  | { type: "page.failed"; trouble: Trouble }
  | { type: "page.typed"; id: string; text: string }
  | { type: "page.sound"; id: string; ms: number }
  | { type: "page.heard"; id: string; ms: number }
  /** An answer's first sound left the speaker. `ms`: since the user fell silent, where that is known. */
  | { type: "page.answered"; ms: number | null; replyId?: string; timing?: PageTiming | null }
  | { type: "page.played_out" }
  | { type: "page.cut"; id: string; heardMs: number }
  | { type: "page.muted"; isMuted: boolean }
  | { type: "page.push_to_talk"; isOn: boolean }
  /** The push-to-talk button was let go; `isEmpty`: too soon for words. */
  | { type: "page.released"; isEmpty: boolean }
  /** What the server keeps of a conversation: shown, or put before what was said since. */
  | { type: "page.shown"; id: string; entries: Entries; timings: readonly TurnTiming[] }
  /** The server keeps the conversation no longer. */
  | { type: "page.forgotten" }
  | { type: "page.cleared" }
  | { type: "page.removed"; id: string }
  | { type: "page.decided"; id: string; isAllowed: boolean }
  | { type: "page.silenced"; isSilenced: boolean }
  | { type: "page.device"; notice: DeviceNotice | null };

export const INITIAL: ConversationState = {
  link: "idle",
  trouble: null,
  wait: null,
  transport: null,
  fallback: null,
  hasSwitched: false,
  hasMicrophone: true,
  isMuted: false,
  isPushToTalk: false,
  hasCutIn: false,
  conversationId: null,
  isKept: false,
  knownFrom: null,
  speechItem: null,
  speech: null,
  pendingItem: null,
  response: null,
  isPlaying: false,
  entries: [],
  notice: null,
  answeredMs: null,
  timings: [],
  turn: { replyId: null, itemId: null, atMs: 0, dropped: 0, droppedMs: 0 },
  deviceNotice: null,
  isSilenced: false,
};

export function phaseOf(state: ConversationState): Phase {
  if (state.link === "failed") return "error";
  if (state.link !== "open") return state.link;
  if (hasFloor(state)) return state.hasCutIn ? "interrupted" : "hearing";
  if (state.isPlaying || state.response?.isAudible) return "speaking";
  if (state.response || state.pendingItem) return "thinking";
  return state.isMuted ? "muted" : "listening";
}

/** Whether the user is speaking, as far as can be known: who holds the button is taken to be. */
export function hasFloor({ speechItem, isPushToTalk, isMuted, hasMicrophone }: ConversationState): boolean {
  return speechItem !== null || (isPushToTalk && hasMicrophone && !isMuted);
}
