/**
 * How far an answer has been heard, where its sound plays by itself and only its words, beginning and end are
 * known: words are taken to be spoken at an even pace, which is learned from every answer that ends.
 * All times are ms of one clock.
 */

import type { Heard } from "../audio/speaker";

// English as synthesizers speak it is about 15 characters a second.
const MS_PER_CHAR = 67;
// From a hurried voice to Chinese, 4 characters a second.
const FASTEST = 35;
const SLOWEST = 250;

interface Answer {
  chars: number;
  items: Heard[];
}

export class Pace {
  #msPerChar = MS_PER_CHAR;
  readonly #answers = new Map<string, Answer>();
  /** `heldMs`: since when it is silent in its midst. */
  #playing: { id: string; sinceMs: number; heldMs: number | null } | null = null;

  get isPlaying(): boolean {
    return this.#playing !== null;
  }

  /** Words of an answer, to be heard after those before; returns the ms that they will take. */
  words(id: string, itemId: string, text: string): number {
    const ms = text.length * this.#msPerChar;
    const answer = this.#answers.get(id) ?? { chars: 0, items: [] };
    const item = answer.items.find((heard) => heard.itemId === itemId);
    if (item) item.ms += ms;
    else answer.items.push({ itemId, ms });
    answer.chars += text.length;
    this.#answers.set(id, answer);
    return ms;
  }

  started(id: string, nowMs: number): void {
    this.#playing = { id, sinceMs: nowMs, heldMs: null };
  }

  /** The answer falls silent, and may go on from here. */
  held(id: string, nowMs: number): void {
    if (this.#playing?.id === id) this.#playing.heldMs ??= nowMs;
  }

  /** It goes on, as loud as ever or lower. */
  resumed(id: string, nowMs: number): void {
    if (this.#playing?.id !== id || this.#playing.heldMs === null) return;
    this.#playing.sinceMs += nowMs - this.#playing.heldMs;
    this.#playing.heldMs = null;
  }

  /** The item that sounds now, and how much of it was heard; null in silence. */
  heard(nowMs: number): Heard | null {
    if (!this.#playing) return null;
    const items = this.#answers.get(this.#playing.id)?.items ?? [];
    let left = (this.#playing.heldMs ?? nowMs) - this.#playing.sinceMs;
    for (const { itemId, ms } of items) {
      if (left < ms) return { itemId, ms: Math.round(left) };
      left -= ms;
    }
    const last = items.at(-1);
    return last ? { itemId: last.itemId, ms: Math.round(last.ms) } : null;
  }

  /** All of the answer was heard: the time that it took is the voice's pace. */
  stopped(id: string, nowMs: number): void {
    const chars = this.#answers.get(id)?.chars ?? 0;
    if (this.#playing?.id === id && chars > 0) {
      const measured = (nowMs - this.#playing.sinceMs) / chars;
      this.#msPerChar = Math.min(SLOWEST, Math.max(FASTEST, measured));
    }
    this.cleared(id);
  }

  /** Nothing more of the answer will be heard. */
  cleared(id: string): void {
    this.#answers.delete(id);
    if (this.#playing?.id === id) this.#playing = null;
  }
}
