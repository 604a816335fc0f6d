/** The conversation as the page knows it: a pure function of the server's events and of our own. */

import {
  drop,
  type Entries,
  edit,
  hearUser,
  interrupt,
  keep,
  newEntry,
  open,
  playOut,
  playTo,
  receiveSound,
  sayAssistant,
  settleAssistant,
  settleUser,
} from "./entries";
import type { ServerEvent, WireItem, WireResponse } from "./events";
import type { FallbackReason } from "./fallback";
import type { Wait } from "./line";
import type { TurnTiming } from "./timing";
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
}

export type LocalEvent =
  | { type: "page.connecting"; hasMicrophone: boolean }
  | { type: "page.transport"; kind: TransportKind; reason: FallbackReason | null }
  | { type: "page.waiting"; wait: Wait }
  | { type: "page.admitted" }
  | { type: "page.opened" }
  | { type: "page.ended" }
  | { type: "page.failed"; trouble: Trouble }
  | { type: "page.typed"; id: string; text: string }
  | { type: "page.sound"; id: string; ms: number }
  | { type: "page.heard"; id: string; ms: number }
  | { type: "page.answered"; ms: number }
  | { type: "page.played_out" }
  | { type: "page.cut"; id: string; heardMs: number };

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
  pendingItem: null,
  response: null,
  isPlaying: false,
  entries: [],
  notice: null,
  answeredMs: null,
  timings: [],
};

export function phaseOf(state: ConversationState): Phase {
  if (state.link === "failed") return "error";
  if (state.link !== "open") return state.link;
  if (state.speechItem) return state.hasCutIn ? "interrupted" : "hearing";
  if (state.isPlaying || state.response?.isAudible) return "speaking";
  if (state.response || state.pendingItem) return "thinking";
  return state.isMuted ? "muted" : "listening";
}

export function reduce(state: ConversationState, event: ServerEvent | LocalEvent): ConversationState {
  const change = event.type.startsWith("page.")
    ? fromPage(state, event as LocalEvent)
    : (fromInput(state, event as ServerEvent) ??
      fromResponse(state, event as ServerEvent) ??
      fromPlayout(state, event as ServerEvent));
  return change ? { ...state, ...change } : state;
}

type Change = Partial<ConversationState> | undefined;

const QUIET = { speechItem: null, pendingItem: null, response: null, isPlaying: false } as const;

function fromPage(state: ConversationState, event: LocalEvent): Change {
  const { entries } = state;
  switch (event.type) {
    case "page.connecting":
      return connecting(state, event.hasMicrophone);
    case "page.transport":
      return over(state, event.kind, event.reason);
    case "page.waiting":
      return { ...QUIET, link: "waiting", wait: event.wait };
    case "page.admitted":
      return { link: "connecting", wait: null };
    case "page.opened":
      return { link: "open", wait: null };
    case "page.ended":
      return { ...QUIET, link: linkAfter(state), wait: null, entries: closeAll(entries) };
    case "page.failed":
      return { ...QUIET, link: "failed", wait: null, trouble: event.trouble, entries: closeAll(entries) };
    case "page.typed":
      return { ...typed(entries, event.id, event.text), notice: null, hasSwitched: false };
    case "page.sound":
      return { entries: receiveSound(entries, event.id, event.ms) };
    case "page.heard":
      return heard(state, event.id, event.ms);
    case "page.answered":
      return { answeredMs: event.ms };
    case "page.played_out":
      return { isPlaying: false, entries: playOut(entries) };
    case "page.cut":
      return { isPlaying: false, entries: interrupt(entries, event.id, event.heardMs) };
  }
}

/** Who leaves the line has had no conversation that could end. */
function linkAfter({ link, entries }: ConversationState): ConversationState["link"] {
  return link === "waiting" && entries.length === 0 ? "idle" : "ended";
}

/** After an accident the words stay on the page; a conversation that was ended is over. */
function connecting({ link, entries }: ConversationState, hasMicrophone: boolean): ConversationState {
  return { ...INITIAL, link: "connecting", hasMicrophone, entries: link === "failed" ? entries : [] };
}

/** A talk that changes its transport half-way is connecting again, with its words kept. */
function over(
  { link, entries }: ConversationState,
  transport: TransportKind,
  fallback: FallbackReason | null,
): Partial<ConversationState> {
  if (link !== "open") return { transport, fallback };
  return {
    ...QUIET,
    link: "connecting",
    transport,
    fallback,
    hasSwitched: true,
    entries: closeAll(entries),
  };
}

function typed(entries: Entries, id: string, text: string): Partial<ConversationState> {
  return { pendingItem: id, entries: [...entries, newEntry(id, "user", { text, status: "final" })] };
}

function heard(state: ConversationState, id: string, ms: number): Partial<ConversationState> {
  const response = state.response && { ...state.response, isAudible: true };
  return { isPlaying: true, response, entries: playTo(state.entries, id, ms) };
}

/** What never became final will not: the words so far stay, empty entries go. */
function closeAll(entries: Entries): Entries {
  return entries
    .filter((entry) => entry.text)
    .map((entry) => {
      if (entry.role === "user") return { ...entry, status: "final" };
      const isCut = entry.isSpoken && entry.heardMs < entry.audioMs;
      return { ...entry, status: isCut || entry.status !== "final" ? "interrupted" : "final" };
    });
}

function fromInput(state: ConversationState, event: ServerEvent): Change {
  const { entries } = state;
  switch (event.type) {
    case "input_audio_buffer.speech_started":
      return {
        speechItem: event.item_id,
        pendingItem: null,
        notice: null,
        hasSwitched: false,
        entries: open(dropUncommitted(state), event.item_id, "user"),
      };
    case "input_audio_buffer.speech_stopped":
      return { speechItem: null };
    case "input_audio_buffer.committed":
      return { speechItem: null, pendingItem: event.item_id, entries: open(entries, event.item_id, "user") };
    case "input_audio_buffer.cleared":
      return { speechItem: null, entries: dropUncommitted(state) };
    case "conversation.item.input_audio_transcription.delta":
      return { entries: hearUser(entries, event.item_id, event.delta ?? "") };
    case "conversation.item.input_audio_transcription.completed":
      return settled(state, event.item_id, event.transcript);
    case "conversation.item.input_audio_transcription.failed":
      return settled(state, event.item_id, textOf(entries, event.item_id));
    default:
      return undefined;
  }
}

/** Noise that holds no words gets no answer: stop waiting for one. */
function settled(state: ConversationState, id: string, transcript: string): Partial<ConversationState> {
  const isNoise = !transcript.trim() && state.pendingItem === id;
  return {
    pendingItem: isNoise ? null : state.pendingItem,
    entries: settleUser(state.entries, id, transcript),
  };
}

/** Speech that the server took back (it was no turn) leaves only the tentative entry it was spoken into. */
function dropUncommitted(state: ConversationState): Entries {
  const { speechItem, entries } = state;
  return speechItem ? drop(entries, speechItem) : entries;
}

function textOf(entries: Entries, id: string): string {
  return entries.find((entry) => entry.id === id)?.text ?? "";
}

function fromResponse(state: ConversationState, event: ServerEvent): Change {
  const { entries } = state;
  switch (event.type) {
    case "response.created":
      return { pendingItem: null, response: { id: event.response.id, isAudible: false } };
    case "response.output_item.added":
      return event.item.type === "message"
        ? { entries: open(entries, event.item.id, "assistant") }
        : undefined;
    case "response.output_audio_transcript.delta":
      return { entries: sayAssistant(entries, event.item_id, event.delta, true) };
    case "response.output_text.delta":
      return { entries: sayAssistant(entries, event.item_id, event.delta, false) };
    case "response.output_audio_transcript.done":
      return { entries: settleAssistant(entries, event.item_id, event.transcript) };
    case "response.output_text.done":
      return { entries: settleAssistant(entries, event.item_id, event.text) };
    case "conversation.item.retrieved":
      return { entries: keep(entries, event.item.id, transcriptOf(event.item)) };
    case "response.done":
      return {
        response: null,
        notice: noticeOf(event.response) ?? state.notice,
        entries: finish(entries, event),
      };
    case "error":
      return { notice: BENIGN.test(event.error.code ?? "") ? state.notice : event.error.message };
    default:
      return undefined;
  }
}

/** Over WebRTC the server plays, and says so. */
function fromPlayout(state: ConversationState, event: ServerEvent): Change {
  switch (event.type) {
    case "output_audio_buffer.started":
      return { isPlaying: true, response: state.response && { ...state.response, isAudible: true } };
    case "output_audio_buffer.stopped":
      return { isPlaying: false, entries: playOut(state.entries) };
    case "output_audio_buffer.cleared":
      return { isPlaying: false };
    case "conversation.item.truncated":
      return { entries: cutByServer(state.entries, event.item_id, event.audio_end_ms) };
    default:
      return undefined;
  }
}

/** Where this side cut the answer itself, the server only repeats what it was told. */
function cutByServer(entries: Entries, id: string, heardMs: number): Entries {
  const isCut = entries.find((entry) => entry.id === id)?.status === "interrupted";
  return isCut ? entries : interrupt(entries, id, heardMs);
}

/** Errors that only say that a request came too late; the conversation is as it should be. */
const BENIGN =
  /^(response_cancel_not_active|conversation_already_has_active_response|item_\w+_invalid_item_id)$/;

function finish(entries: Entries, { response }: { response: WireResponse }): Entries {
  const isCut = response.status === "cancelled" || response.status === "failed";
  return entries.reduce<Entries>((list, entry) => {
    if (entry.role !== "assistant" || entry.status !== "tentative") return list;
    return edit(list, entry.id, (open) => ({ ...open, status: isCut ? "interrupted" : "final" }));
  }, entries);
}

function noticeOf({ status, status_details }: WireResponse): string | null {
  if (status !== "failed") return null;
  return status_details?.error?.message ?? "The answer failed. Please say it again.";
}

function transcriptOf(item: WireItem): string {
  return item.content?.map((part) => part.transcript ?? part.text ?? "").join("") ?? "";
}
