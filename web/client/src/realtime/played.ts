/**
 * What the server is told of how far an answer was heard: at most four times a second while it plays, and at its end.
 * A server that knows nothing of it answers with an error, once; then it is told no more. No I/O.
 */

import type { Heard } from "../audio/speaker";
import { type ClientEvent, newItemId, type WireError } from "./events";

const EVERY_MS = 250;

export class PlayedReports {
  readonly #id = newItemId();
  readonly #told = new Map<string, number>();
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #isWanted = true;

  /** `nowMs`: of any clock. Null where there is nothing to tell, or not yet. */
  heard(heard: Heard, nowMs: number): ClientEvent | null {
    if (nowMs - this.#toldAtMs < EVERY_MS) return null;
    const report = this.ended(heard);
    if (report) this.#toldAtMs = nowMs;
    return report;
  }

  /** The item falls silent here: told whatever the time. */
  ended({ itemId, ms }: Heard): ClientEvent | null {
    const isNews = ms > (this.#told.get(itemId) ?? 0);
    if (!this.#isWanted || !isNews) return null;
    this.#told.clear();
    this.#told.set(itemId, ms);
    return { type: "duologue.output_audio.played", event_id: this.#id, item_id: itemId, audio_end_ms: ms };
  }

  /** Whether the error answers a report: then it is nobody's concern. */
  isRefusal(error: WireError): boolean {
    const isOurs = error.event_id === this.#id;
    if (isOurs) this.#isWanted = false;
    return isOurs;
  }
}
