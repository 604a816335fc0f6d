/** What the page says of a state. */

import {
  type ConversationState,
  type Offer,
  type Phase,
  phaseOf,
  type Trouble,
  type TroubleKind,
  type Wait,
} from "duologue-client";
import { type Line, words } from "../words";

export function reasonLine({ fallback }: ConversationState): string | null {
  return fallback && words.reasons[fallback];
}

const RECONNECTS = new Set<TroubleKind>(["connection-lost", "connection-slow", "session-over"]);

/** A server that is up says best itself why it has no place; other details stand below our own words. */
export function troubleLine({ kind, detail }: Trouble): Line & { detail: string | null } {
  const line = words.troubles[kind];
  if (detail && kind.startsWith("server-")) return { title: line.title, hint: detail, detail: null };
  return { ...line, detail: detail ?? null };
}

/** `isInterruptible`: whether speech over an answer stops it, as the settings have it. */
export function phaseLine(
  phase: Exclude<Phase, "error">,
  state: ConversationState,
  isInterruptible = true,
): Line {
  const { talk, phases } = words;
  if (phase === "waiting") return waitLine(state.wait);
  if (phase === "speaking")
    return { title: phases.speaking.title, hint: speakingHint(state, isInterruptible) };
  if (phase === "listening" && !state.hasMicrophone) return talk.typingReady;
  if (phase === "muted" && state.isPushToTalk) return talk.pushReady;
  if (state.isPushToTalk && (phase === "hearing" || phase === "listening")) {
    return { title: phases[phase].title, hint: talk.pushHeld };
  }
  if (phase === "connecting" && state.hasSwitched) return talk.brokeOff;
  if (phase === "connecting" && !state.hasMicrophone) {
    return { title: phases.connecting.title, hint: talk.connectingQuietly };
  }
  if (phase === "idle" && state.entries.length > 0) return talk.shown;
  if (phase === "idle" && !isInterruptible) return { ...phases.idle, hint: talk.uninterruptible.idle };
  if (phase === "ended" && canContinue(state)) return { title: phases.ended.title, hint: talk.endedKept };
  return phases[phase];
}

/** How the answer can be stopped, if it can be. */
function speakingHint(state: ConversationState, isInterruptible: boolean): string {
  const { talk, phases } = words;
  if (!state.hasMicrophone) return talk.speakingToTyping;
  if (!isInterruptible) return talk.uninterruptible.speaking;
  if (state.isPushToTalk) return talk.speakingToPush;
  return state.isMuted ? talk.speakingToMuted : phases.speaking.hint;
}

export function waitLine(wait: Wait | null): Line {
  const { waiting } = words;
  if (wait?.kind === "line") {
    return { title: waiting.inLine(wait.position, wait.of), hint: waiting.lineHint };
  }
  return { title: waiting.starting, hint: waiting.startingHint(wait?.message || waiting.loading) };
}

/** How much of the wait for a server that starts is over, as far as is known: from 0 to 1. */
export function shareOf(wait: Wait | null): number {
  return wait?.kind === "warming" && wait.of > 0 ? Math.min(1, wait.ready / wait.of) : 0;
}

/** The tab's title: who waits looks at something else meanwhile. */
export function titleOf({ link, wait }: ConversationState): string {
  return link === "waiting" && wait ? `${waitLine(wait).title} · ${words.name}` : words.name;
}

/** What the user should know of a conversation that goes on. */
export function noticeOf(state: ConversationState): string | null {
  const { link, notice, hasSwitched, isSilenced, deviceNotice } = state;
  if (isSilenced && link === "open") return words.talk.silenced;
  if (notice) return notice;
  if (hasSwitched && link === "open") return words.talk.switched;
  return deviceNotice && words.deviceNotices[deviceNotice];
}

/**
 * What a screen reader is told. Who speaks and who thinks changes at every turn, and is heard: saying it would
 * talk over the talk.
 */
export function announcementOf(state: ConversationState): string {
  const phase = phaseOf(state);
  if (phase === "error" || phase === "idle") return "";
  if (state.link !== "open") return phaseLine(phase, state).title;
  if (!state.hasMicrophone) return words.talk.connectedToType;
  if (state.isPushToTalk) return words.talk.pushReady.hint;
  return state.isMuted ? words.phases.muted.title : words.talk.connected;
}

export function isUnderWay({ link }: ConversationState): boolean {
  return link === "open" || link === "connecting" || link === "waiting" || link === "reconnecting";
}

/** Whether the next start can go on with what is shown. */
export function canContinue({ conversationId, isKept, entries }: ConversationState): boolean {
  return isKept && conversationId !== null && entries.length > 0;
}

/** Words on the page that nobody keeps: another conversation in their place would be the end of them. */
export function isLostByLeaving({ isKept, entries }: ConversationState): boolean {
  return !isKept && entries.some(({ text, tool }) => text || tool);
}

/** What is asked before another conversation takes the place of this one; null where nothing is lost by it. */
export function leaveQuestion(state: ConversationState): string | null {
  const { leaveAsk } = words.conversations;
  if (!isLostByLeaving(state)) return null;
  return isUnderWay(state) ? leaveAsk.unkept : leaveAsk.over;
}

export function buttonLabel(state: ConversationState): string {
  const { actions } = words;
  if (state.link === "open") return actions.end;
  if (state.link === "waiting" && state.wait?.kind === "line") return actions.leave;
  if (isUnderWay(state)) return actions.cancel;
  if (state.trouble?.kind === "taken-over") return actions.goOnHere;
  if (state.trouble) return RECONNECTS.has(state.trouble.kind) ? actions.reconnect : actions.retry;
  if (canContinue(state)) return actions.resume;
  return state.link === "ended" ? actions.again : actions.start;
}

/** Whether typing would help where speaking is not possible. */
export function offersTyping({ trouble }: ConversationState): boolean {
  return trouble?.kind.startsWith("microphone-") ?? false;
}

/** Whether what is said stays on the server, and for how long; null before anything is known. */
export function keepingLine(
  { link, isKept, conversationId }: ConversationState,
  offer: Offer | null,
): { full: string; short: string } | null {
  const { status } = words;
  if (link !== "open" && conversationId === null) return null;
  if (!isKept) return { full: status.notKept, short: status.notKept };
  if (!offer) return { full: status.kept, short: status.keptShortly };
  const { days, hasSound } = offer.store;
  const what = hasSound ? status.withSound : status.wordsOnly;
  const short = days === 0 ? status.keptShortly : status.keptShort(days);
  return {
    full: what(days === 0 ? status.keptForEver : status.keptDays(days)),
    short: hasSound ? status.withSoundShort(short) : short,
  };
}
