/**
 * Notices that the other side of a call has died. A browser tells only after 5 to 10 s; but the server sends a packet
 * each 20 ms, silence as well, so a second or two without any is worth a question.
 */

// Wi-Fi that changes its access point makes a shorter gap than this mostly.
const STILL_BEATS = 2;

export const BEAT_MS = 1000;

export interface Life {
  /** Packets that came in so far; null where the browser does not tell. */
  received(): Promise<number | null>;
  /** Whether the server answers at all. */
  answers(): Promise<boolean>;
}

export class Pulse {
  readonly #life: Life;
  #received = 0;
  #still = 0;

  constructor(life: Life) {
    this.#life = life;
  }

  /** Call each `BEAT_MS`. Resolves with whether the other side is gone. */
  async beat(): Promise<boolean> {
    const received = await this.#life.received();
    const isStill = received !== null && received > 0 && received === this.#received;
    this.#received = received ?? 0;
    this.#still = isStill ? this.#still + 1 : 0;
    return this.#still >= STILL_BEATS && !(await this.#life.answers());
  }
}
