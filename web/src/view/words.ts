/** All that the page says of its own accord. */

import type { ConversationState, Phase } from "../realtime/state";
import type { Trouble, TroubleKind } from "../realtime/trouble";

interface Line {
  title: string;
  hint: string;
}

const PHASES: Record<Exclude<Phase, "error">, Line> = {
  idle: {
    title: "Ready when you are",
    hint: "Speak as you would with a person. You can interrupt at any time.",
  },
  connecting: { title: "Connecting", hint: "If your browser asks for the microphone, allow it." },
  listening: { title: "Listening", hint: "Say something." },
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
  "key-needed": {
    title: "This server asks for a key",
    hint: "Add #key= and your key to the end of this page's address, then reload.",
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

const RECONNECTS = new Set<TroubleKind>(["connection-lost", "connection-slow", "session-over"]);

/** A server that is up says best itself why it has no place; other details stand below our own words. */
export function troubleLine({ kind, detail }: Trouble): Line & { detail: string | null } {
  const line = TROUBLES[kind];
  if (detail && kind.startsWith("server-")) return { title: line.title, hint: detail, detail: null };
  return { ...line, detail: detail ?? null };
}

export function phaseLine(phase: Exclude<Phase, "error">, state: ConversationState): Line {
  if (phase === "listening" && !state.hasMicrophone) return { title: "Ready", hint: "Type a message below." };
  if (phase === "connecting" && !state.hasMicrophone) return { title: "Connecting", hint: "One moment." };
  return PHASES[phase];
}

export function buttonLabel(state: ConversationState): string {
  if (state.link === "open") return "End";
  if (state.link === "connecting") return "Cancel";
  if (state.trouble) return RECONNECTS.has(state.trouble.kind) ? "Reconnect" : "Try again";
  return state.link === "ended" ? "Talk again" : "Start talking";
}

/** Whether typing would help where speaking is not possible. */
export function offersTyping({ trouble }: ConversationState): boolean {
  return trouble?.kind.startsWith("microphone-") ?? false;
}
