/** A conversation as a file: what was heard, and apart from it what was not. No I/O. */

import type { Entries } from "./entries";

/** One object with all entries. */
export function asJson(_entries: Entries): string {
  throw new Error("not written yet");
}

/** For people: who said what. */
export function asText(_entries: Entries): string {
  throw new Error("not written yet");
}

/** Captions (WebVTT), timed from the first entry. */
export function asVtt(_entries: Entries): string {
  throw new Error("not written yet");
}
