/** What the page and its audio worklets say to each other. */

import type { Played } from "./playback-buffer";

export const CAPTURE = "duologue-capture";
export const METER = "duologue-meter";
export const PLAYBACK = "duologue-playback";

/** Page to capture or meter: no more. A processor that is not told so runs for as long as its context. */
export type ToTap = "close";

/** Capture to page: 20 ms of the microphone at 24 kHz. `endS` is the audio clock at its last sample. */
export interface Captured {
  samples: Int16Array<ArrayBuffer>;
  rms: number;
  endS: number;
}

/** Meter to page: the loudness of 20 ms. `endS` is the audio clock at their end. */
export interface Metered {
  rms: number;
  endS: number;
  /** The first of them that can be heard; null where none can. */
  onsetS: number | null;
}

export type ToPlayback =
  | { kind: "push"; replyId: string; itemId: string; samples: Float32Array<ArrayBuffer> }
  | { kind: "end"; itemId: string }
  | { kind: "flush"; ticket: number }
  | { kind: "close" }
  | { kind: "lower"; replyId: string; gain: number }
  | { kind: "hold"; replyId: string }
  | { kind: "resume"; replyId: string };

export type FromPlayback =
  | { kind: "played"; played: Played; rms: number }
  | { kind: "audible"; itemId: string; atS: number }
  | { kind: "drained" }
  | { kind: "flushed"; ticket: number; cut: Played[] };
