/** A way to the server: its events both ways, the microphone there and the answer's sound back. */

import type { ClientEvent, ServerEvent } from "./events";
import type { LocalEvent } from "./state";
import type { WireProblem } from "./trouble";

export type TransportKind = "webrtc" | "websocket";

/** What came of a connection that could not be made, or that broke. What to do about it: `fallback.ts`. */
export type Failure =
  /** This browser has no WebRTC, or it is switched off. */
  | { kind: "unsupported" }
  /** The server answered the call's offer with this HTTP status, and perhaps with OpenAI's error object. */
  | ({ kind: "refused"; status: number } & WireProblem)
  /** The offer got no answer at all. */
  | { kind: "unanswered" }
  /** An answer came, but no connection within its time. */
  | { kind: "no-path" }
  /** The connection stood, and the network lost it. */
  | { kind: "broken" }
  /** The server ended the call in good order. */
  | { kind: "ended"; code?: string; message?: string }
  /** The WebSocket is gone. `wasOpen` is false if it never opened. */
  | { kind: "closed"; code: number; reason: string; wasOpen: boolean }
  /** What was sent piles up on this side. */
  | { kind: "slow" };

/** Carries a failure through a rejected promise. */
export class TransportError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.kind);
    this.failure = failure;
  }
}

export interface TransportEvents {
  /** All that the server says but sound, in order. */
  event(event: ServerEvent): void;
  /** What the transport knows of the sound of answers: that it came, was heard, was cut. */
  tell(event: LocalEvent): void;
  /** So much of the microphone had left by `atS` of the audio clock, where the browser sends it by itself. */
  sent(ms: number, atS: number): void;
  /** Every 20 ms of the microphone on their way, as the server counts them; `endS` is the audio clock's. */
  spoke(rms: number, endS: number): void;
  /** How loud the answer is at this moment. */
  answer(rms: number): void;
  /** An answer's first sound came in, on the audio clock. */
  arrived(replyId: string, atS: number): void;
  /** An answer's first sound leaves the speaker, on the audio clock. */
  audible(replyId: string, atS: number): void;
  /** Every event as it passes, sound included. */
  passed(from: "client" | "server", event: ClientEvent | ServerEvent): void;
  /** The connection is gone, and not because we closed it. Told once, and only after `connect` resolved. */
  lost(failure: Failure): void;
}

export interface Transport {
  readonly kind: TransportKind;

  /** Resolves with the server's greeting. Rejects with TransportError, or with what the browser threw. */
  connect(): Promise<void>;

  send(event: ClientEvent): void;

  /** The user cuts in by other means than speech: nothing more of the answer is made or heard. */
  interrupt(): Promise<void>;

  /** Another microphone from here on, or none. Rejects with what the browser threw; then the one before stays. */
  listenTo(microphone: MediaStream | null): Promise<void>;

  /** How loud answers are, from 0, silent, to 1. */
  setVolume(volume: number): void;

  /** Plays answers on a device; null for the default one. Rejects where it cannot be used. */
  setSink(deviceId: string | null): Promise<void>;

  /** Frees what the connection holds, but not the microphone. Resolves when the server knows of it. */
  close(): Promise<void>;
}

/** What every transport is made from. */
export interface TransportOptions {
  /** The address that `v1/realtime` is found under. */
  base: string;
  key: string | null;
  /** The place that the server gave; null to be let in as anybody. */
  ticket: string | null;
  /** The id of a kept conversation, "new" or "none". */
  conversation: string;
  /** Whether the user's speech stops an answer. */
  isInterruptible(): boolean;
  context: AudioContext;
  /** Null where the user only types. */
  microphone: MediaStream | null;
  events: TransportEvents;
}
