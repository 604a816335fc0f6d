/** Times each answer on the page's audio clock: from the end of speech, or from the moment words were sent. No I/O. */

import type { ServerEvent } from "./events";
import type { LocalEvent } from "./state";
import type { PageTiming } from "./timing";
import { TurnClock } from "./turn-clock";

export class Timekeeper {
  readonly #clock = new TurnClock();
  /** The reply that the server times from the end of speech: a tool's follow-up answers no turn. */
  #spokenReplyId: string | null = null;
  #arrived: { replyId: string; atS: number } | null = null;
  /** Typed words whose answer has not been heard. */
  #typed: { atS: number; replyId: string | null; arrivedS: number | null } | null = null;

  hear(rms: number, endS: number): void {
    this.#clock.hear(rms, endS);
  }

  align(sentMs: number, atS: number): void {
    this.#clock.align(sentMs, atS);
  }

  /** `atS`: when it came in, on the audio clock. */
  follow(event: ServerEvent, atS: number): void {
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        this.#typed = null;
        this.#spokenReplyId = null;
        this.#clock.speechStarted(event.audio_start_ms, atS);
        break;
      case "input_audio_buffer.speech_stopped":
        this.#clock.speechStopped(event.audio_end_ms, atS);
        break;
      case "duologue.response.timing":
        this.#spokenReplyId = event.response_id;
        if (event.audio_end_ms !== undefined) this.#clock.speechEnded(event.audio_end_ms);
        break;
      case "response.created":
        if (this.#typed) this.#typed.replyId ??= event.response.id;
        break;
    }
  }

  typed(atS: number): void {
    this.#typed = { atS, replyId: null, arrivedS: null };
  }

  arrived(replyId: string, atS: number): void {
    if (this.#typed?.replyId === replyId) this.#typed.arrivedS ??= atS;
    else this.#arrived = { replyId, atS };
  }

  /** What to tell of the first sound of an answer; null where its time cannot be told. */
  audible(replyId: string, atS: number): LocalEvent | null {
    const typed = this.#typed;
    if (typed?.replyId !== replyId) {
      if (this.#spokenReplyId !== replyId) return null;
      if (this.#arrived?.replyId === replyId) this.#clock.arrived(this.#arrived.atS);
      const timing = this.#clock.answered(atS);
      return timing && { type: "page.answered", ms: timing.audibleMs, replyId, timing };
    }
    this.#typed = null;
    const sinceMs = (momentS: number) => Math.max(0, Math.round((momentS - typed.atS) * 1000));
    const arrivedMs = sinceMs(Math.min(typed.arrivedS ?? atS, atS));
    const timing: PageTiming = { endEarlierMs: 0, arrivedMs, audibleMs: sinceMs(atS) };
    return { type: "page.answered", ms: null, replyId, timing };
  }
}
