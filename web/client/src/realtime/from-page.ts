/** What the page's own events make of the conversation. No I/O. */

import {
  closeAll,
  drop,
  type Entries,
  edit,
  interrupt,
  newEntry,
  playOut,
  playTo,
  receiveSound,
} from "./entries";
import type { FallbackReason } from "./fallback";
import { type ConversationState, hasFloor, INITIAL, type LocalEvent } from "./state";
import type { TransportKind } from "./transport";
import { newTurn, timed } from "./turns";

type Change = Partial<ConversationState> | undefined;
type Shown = Extract<LocalEvent, { type: "page.shown" }>;

const QUIET = {
  speechItem: null,
  pendingItem: null,
  response: null,
  isPlaying: false,
  hasCutIn: false,
} as const;
// The id of the user's item is not known before the server has it.
const HELD = "held";

export function fromPage(state: ConversationState, event: LocalEvent, atMs: number): Change {
  return ofLine(state, event) ?? ofUser(state, event, atMs) ?? ofSound(state, event, atMs);
}

function ofLine(state: ConversationState, event: LocalEvent): Change {
  const { entries } = state;
  switch (event.type) {
    case "page.connecting":
      return connecting(state, event.hasMicrophone, event.conversationId ?? null);
    case "page.reconnecting":
      return { ...QUIET, link: "reconnecting", wait: null, entries: closeAll(entries) };
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
    case "page.shown":
      return shown(state, event);
    case "page.forgotten":
      return { conversationId: null, isKept: false, knownFrom: null };
    case "page.cleared":
      return blank(state);
    default:
      return undefined;
  }
}

/** Who leaves the line has had no conversation that could end. */
function linkAfter({ link, entries }: ConversationState): ConversationState["link"] {
  return link === "waiting" && entries.length === 0 ? "idle" : "ended";
}

/** Nothing said yet; how the user speaks stays as it was chosen. */
function blank({ isPushToTalk, hasMicrophone }: ConversationState): ConversationState {
  return { ...INITIAL, isPushToTalk, isMuted: isPushToTalk, hasMicrophone };
}

/** After an accident the words stay on the page; a conversation that was ended is over. */
function connecting(
  state: ConversationState,
  hasMicrophone: boolean,
  asked: string | null,
): ConversationState {
  const fresh: ConversationState = { ...blank(state), link: "connecting", hasMicrophone };
  const { entries, conversationId, isKept, isMuted, timings } = state;
  const continues = asked === null ? state.link === "failed" : asked === conversationId;
  if (continues) {
    return { ...fresh, entries, conversationId, isKept: isKept || asked !== null, isMuted, timings };
  }
  return asked === null ? fresh : { ...fresh, conversationId: asked, isKept: true };
}

/** While a talk is under way, what was kept comes before what was said since. */
function shown(state: ConversationState, { id, entries, timings }: Shown): Change {
  if (state.link === "idle" || state.link === "ended" || state.link === "failed") {
    return { ...blank(state), conversationId: id, isKept: true, entries, timings };
  }
  const isNew = (each: { id: string }) => !entries.some((known) => known.id === each.id);
  const isUntimed = ({ itemId }: { itemId: string | null }) =>
    itemId === null || !state.timings.some((known) => known.itemId === itemId);
  return {
    entries: [...entries, ...state.entries.filter(isNew)],
    timings: [...timings.filter(isUntimed), ...state.timings],
  };
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

function ofUser(state: ConversationState, event: LocalEvent, atMs: number): Change {
  const { entries } = state;
  switch (event.type) {
    case "page.typed":
      return {
        pendingItem: event.id,
        entries: [...entries, newEntry(event.id, "user", { text: event.text, status: "final", atMs })],
        turn: newTurn(event.id),
        hasCutIn: false,
        notice: null,
        hasSwitched: false,
      };
    case "page.muted":
      return { isMuted: event.isMuted };
    case "page.push_to_talk":
      return { isPushToTalk: event.isOn, isMuted: event.isOn, hasCutIn: false };
    case "page.released":
      return { isMuted: true, hasCutIn: false, pendingItem: event.isEmpty ? state.pendingItem : HELD };
    case "page.removed":
      return { entries: drop(entries, event.id) };
    case "page.decided":
      return { entries: decided(entries, event.id, event.isAllowed) };
    case "page.silenced":
      return { isSilenced: event.isSilenced };
    case "page.device":
      return { deviceNotice: event.notice };
    default:
      return undefined;
  }
}

function decided(entries: Entries, id: string, isAllowed: boolean): Entries {
  return edit(entries, id, (entry) => {
    const status = isAllowed ? "running" : "denied";
    return entry.tool?.status === "asks" ? { ...entry, tool: { ...entry.tool, status } } : entry;
  });
}

function ofSound(state: ConversationState, event: LocalEvent, atMs: number): Change {
  const { entries } = state;
  switch (event.type) {
    case "page.sound":
      return { entries: receiveSound(entries, event.id, event.ms) };
    case "page.heard":
      return heard(state, event.id, event.ms);
    case "page.answered":
      return {
        ...(event.ms === null ? {} : { answeredMs: event.ms }),
        ...(event.replyId && event.timing ? timed(state, event.replyId, { page: event.timing }, atMs) : {}),
      };
    case "page.played_out":
      return { isPlaying: false, entries: playOut(entries) };
    case "page.cut":
      return {
        isPlaying: false,
        hasCutIn: cutsIn(state),
        entries: interrupt(entries, event.id, event.heardMs),
      };
    default:
      return undefined;
  }
}

/** Whether an answer that stops now does so because the user speaks over it. */
export function cutsIn(state: ConversationState): boolean {
  const isHeard = state.isPlaying || state.response?.isAudible === true;
  return state.hasCutIn || (hasFloor(state) && isHeard);
}

function heard(state: ConversationState, id: string, ms: number): Partial<ConversationState> {
  const response = state.response && { ...state.response, isAudible: true };
  return { isPlaying: true, response, entries: playTo(state.entries, id, ms) };
}
