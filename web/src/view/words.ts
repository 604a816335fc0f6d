/** All that the page says of its own accord. */

import type {
  ConversationState,
  FallbackReason,
  Phase,
  TransportKind,
  Trouble,
  TroubleKind,
  Wait,
} from "duologue-client";

interface Line {
  title: string;
  hint: string;
}

const PHASES: Record<Exclude<Phase, "error" | "waiting">, Line> = {
  idle: {
    title: "Ready when you are",
    hint: "Speak as you would with a person. You can interrupt at any time.",
  },
  connecting: { title: "Connecting", hint: "If your browser asks for the microphone, allow it." },
  listening: { title: "Listening", hint: "Say something." },
  reconnecting: { title: "Reconnecting", hint: "The connection was lost. What was said is kept." },
  muted: { title: "Muted", hint: "Nobody hears you. Unmute to go on." },
  interrupted: { title: "Interrupted", hint: "Go on, I am listening." },
  hearing: { title: "Hearing you", hint: "Take your time." },
  thinking: { title: "Thinking", hint: "One moment." },
  speaking: { title: "Speaking", hint: "Talk over it to interrupt." },
  ended: { title: "Conversation ended", hint: "Start again for a new one." },
};

const TROUBLES: Record<TroubleKind, Line> = {
  insecure: {
    title: "The microphone needs a secure page",
    hint: "Browsers share it only with https addresses and localhost. Open this page under one of those.",
  },
  "microphone-refused": {
    title: "The microphone is not allowed",
    hint: "Allow it for this page in your browser's address bar or site settings, then try again.",
  },
  "microphone-missing": {
    title: "No microphone was found",
    hint: "Plug one in or switch it on, then try again.",
  },
  "microphone-busy": {
    title: "The microphone is in use",
    hint: "Another program holds it. Close that program, then try again.",
  },
  "microphone-lost": {
    title: "The microphone went away",
    hint: "It was unplugged or switched off. Connect it, then try again.",
  },
  "audio-failed": {
    title: "Sound could not be started",
    hint: "Reload the page. If that does not help, try another browser.",
  },
  "server-away": {
    title: "The server cannot be reached",
    hint: "See that it is running and that you are on its network, then try again.",
  },
  "server-full": {
    title: "All places are taken",
    hint: "Others are talking just now. Try again in a minute.",
  },
  "server-warming": {
    title: "The server is still starting",
    hint: "It is loading its models. Try again in a few seconds.",
  },
  "server-wait": {
    title: "The server asks you to wait",
    hint: "Try again in a minute.",
  },
  "not-allowed": {
    title: "The server does not let this page in",
    hint: "Open the page at the address that the server's owner gave you.",
  },
  "key-needed": {
    title: "This server asks for a key",
    hint: "Ask its owner for one. This tab remembers it until you close it.",
  },
  "key-wrong": {
    title: "The key was not accepted",
    hint: "See that it is whole, with nothing before or after it, and try again.",
  },
  "key-unfit": {
    title: "This key cannot be sent over WebSocket",
    hint: "A browser sends only letters, digits and a few signs such as - and _ there. Ask for another key.",
  },
  "webrtc-failed": {
    title: "WebRTC did not work",
    hint: "Take transport=webrtc out of this page's address: it then finds another way by itself.",
  },
  "connection-lost": {
    title: "The connection was lost",
    hint: "Reconnect to go on. What was said so far is carried over.",
  },
  "connection-slow": {
    title: "The network is too slow",
    hint: "Your voice was more than ten seconds behind. Move closer to the network, then reconnect.",
  },
  "session-over": {
    title: "The server ended the conversation",
    hint: "Reconnect to go on. What was said so far is carried over.",
  },
};

export const TRANSPORTS: Record<TransportKind, string> = {
  webrtc: "over WebRTC",
  websocket: "over WebSocket",
};

const REASONS: Record<FallbackReason, string> = {
  asked: "This page's address asks for it.",
  unsupported: "This browser has no WebRTC, or it is switched off.",
  "not-offered": "This server does not offer WebRTC.",
  "server-failed": "The server failed to answer a call over WebRTC.",
  "no-path": "WebRTC found no way to the server: a firewall may hold back its packets.",
  broken: "The connection over WebRTC broke, so the talk went on this way.",
};

export function reasonLine({ fallback }: ConversationState): string | null {
  return fallback && REASONS[fallback];
}

const RECONNECTS = new Set<TroubleKind>(["connection-lost", "connection-slow", "session-over"]);

/** A server that is up says best itself why it has no place; other details stand below our own words. */
export function troubleLine({ kind, detail }: Trouble): Line & { detail: string | null } {
  const line = TROUBLES[kind];
  if (detail && kind.startsWith("server-")) return { title: line.title, hint: detail, detail: null };
  return { ...line, detail: detail ?? null };
}

export function phaseLine(phase: Exclude<Phase, "error">, state: ConversationState): Line {
  if (phase === "waiting") return waitLine(state.wait);
  if (phase === "listening" && !state.hasMicrophone) return { title: "Ready", hint: "Type a message below." };
  if (phase === "connecting" && state.hasSwitched) {
    return { title: "Reconnecting", hint: "The connection over WebRTC broke." };
  }
  if (phase === "connecting" && !state.hasMicrophone) return { title: "Connecting", hint: "One moment." };
  return PHASES[phase];
}

const WAITING_LINE = "Keep this page open: you are connected as soon as it is your turn.";

export function waitLine(wait: Wait | null): Line {
  if (wait?.kind === "line") {
    const { position, of } = wait;
    const title = position > 1 ? `You are ${ordinal(position)} of ${of} in line` : "You are next in line";
    return { title, hint: WAITING_LINE };
  }
  const hint = wait?.message || "It is loading its models.";
  return { title: "The server is starting", hint: `${hint} You are connected as soon as it is ready.` };
}

/** How much of the wait for a server that starts is over, as far as is known: from 0 to 1. */
export function shareOf(wait: Wait | null): number {
  return wait?.kind === "warming" && wait.of > 0 ? Math.min(1, wait.ready / wait.of) : 0;
}

const ENDINGS: Record<string, string> = { one: "st", two: "nd", few: "rd", other: "th" };
const ORDINALS = new Intl.PluralRules("en", { type: "ordinal" });

export function ordinal(count: number): string {
  return `${count}${ENDINGS[ORDINALS.select(count)]}`;
}

/** The tab's title: who waits looks at something else meanwhile. */
export function titleOf({ link, wait }: ConversationState): string {
  return link === "waiting" && wait ? `${waitLine(wait).title} · Duologue` : "Duologue";
}

/** What the user should know of a conversation that goes on. */
export function noticeOf({ link, notice, hasSwitched }: ConversationState): string | null {
  if (notice) return notice;
  if (!hasSwitched || link !== "open") return null;
  return "WebRTC broke off, so we go on over WebSocket. Please say your last sentence again.";
}

export function buttonLabel(state: ConversationState): string {
  if (state.link === "open") return "End";
  if (state.link === "waiting" && state.wait?.kind === "line") return "Leave the line";
  if (state.link === "connecting" || state.link === "waiting") return "Cancel";
  if (state.trouble) return RECONNECTS.has(state.trouble.kind) ? "Reconnect" : "Try again";
  return state.link === "ended" ? "Talk again" : "Start talking";
}

/** Whether typing would help where speaking is not possible. */
export function offersTyping({ trouble }: ConversationState): boolean {
  return trouble?.kind.startsWith("microphone-") ?? false;
}
