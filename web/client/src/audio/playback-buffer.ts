/**
 * What is still to be heard, in order, and what was heard of each item. Samples are 24 kHz mono floats.
 *
 * A server sends an answer as fast as it is made, in pieces of 100 ms, up to 2 s ahead: what a network does hides
 * behind that, and nothing is held back here. Should samples run out in mid-item all the same, the buffer waits for
 * 80 ms of sound before it goes on, and for twice as much each time that it happens again: one pause rather than a
 * crackle at every late packet. Around the pause 5 ms fade out and in again, as around a hold.
 *
 * One reply at a time can be lowered, or held: then it falls silent and keeps its place. 5 ms fade out
 * that stay to be played, and when it goes on the 5 ms before them fade in; both come on top, and every
 * sample between is played once, as it came.
 */

import { WIRE_HZ } from "./pcm";

export interface Played {
  itemId: string;
  samples: number;
}

interface Chunk {
  replyId: string;
  itemId: string;
  samples: Float32Array;
}

const CUSHION_SAMPLES = 0.08 * WIRE_HZ;
const MOST_CUSHION_SAMPLES = 0.32 * WIRE_HZ;
// 5 ms of fade: long enough not to click, too short to be heard as speech.
const FADE_SAMPLES = 0.005 * WIRE_HZ;

export class PlaybackBuffer {
  #queue: Chunk[] = [];
  #offset = 0;
  #waiting = 0;
  #current: Played | null = null;
  #ended = new Set<string>();
  /** Ran dry in mid-item, and waits for a cushion. */
  #isDry = false;
  #cushion = CUSHION_SAMPLES;
  /** The reply that is lowered or held. */
  #apart: string | null = null;
  #isHeld = false;
  /** Whether the last pull was sound to its end. */
  #isSounding = false;
  #gain = 1;
  #goal = 1;
  #currentReply: string | null = null;
  /** The last samples of the chunk before the one that is being played. */
  #before = new Float32Array(0);
  /** What fades in when a hold ends: the last samples before it. */
  #comeback = new Float32Array(0);
  /** Fades: heard before all else, and counted for no item. */
  #fades = new Float32Array(0);

  push(replyId: string, itemId: string, samples: Float32Array): void {
    if (samples.length === 0) return;
    this.#queue.push({ replyId, itemId, samples });
    this.#waiting += samples.length;
  }

  /** No more samples of this item will come. */
  end(itemId: string): void {
    this.#ended.add(itemId);
  }

  /** Fills `into`, with silence where there is nothing to play; returns how many samples were sound. */
  pull(into: Float32Array): number {
    if (into.length === 0) return 0;
    const isWaiting = this.#waitsForMore();
    let filled = this.#takeFades(into);
    if (!isWaiting) {
      while (filled < into.length && this.#queue[0] && !this.isHeld) {
        filled += this.#take(into, filled, this.#queue[0]);
      }
      if (filled < into.length && this.#isCutShort) {
        this.#runDry();
        filled += this.#takeFades(into.subarray(filled));
      }
    }
    into.fill(0, filled);
    this.#isSounding = filled === into.length;
    return filled;
  }

  /** Plays on, where it was held from its place, each sample times `gain`; the change takes 5 ms at most. */
  lower(replyId: string, gain: number): void {
    this.#setApart(replyId);
    this.#goal = gain;
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#gain = gain;
    const { length } = this.#comeback;
    const comeback = this.#comeback.map((sample, i) => (sample * gain * (i + 1)) / length);
    this.#fades = Float32Array.of(...this.#fades, ...comeback);
  }

  /** Falls silent within 5 ms, and keeps its place: what comes meanwhile waits behind it. */
  hold(replyId: string): void {
    this.#setApart(replyId);
    if (this.#isHeld) return;
    this.#isHeld = true;
    const isSounding = this.#isSounding && this.#currentReply === replyId;
    // While it still fades in from an earlier hold, its place is the same.
    if (this.#fades.length === 0) this.#comeback = isSounding ? this.#past() : new Float32Array(0);
    if (isSounding || this.#fades.length > 0) this.#fades = this.#fadeOut();
  }

  /** As loud as ever, from the very sample that was next. */
  resume(replyId: string): void {
    if (replyId === this.#apart) this.lower(replyId, 1);
  }

  /**
   * Drops everything at once but a 5 ms fade. Returns each item that was under way or waiting, with the
   * samples of it that were played.
   */
  flush(): Played[] {
    const cut = this.#current ? [this.#current] : [];
    for (const { itemId } of this.#queue) {
      if (!cut.some((item) => item.itemId === itemId)) cut.push({ itemId, samples: 0 });
    }
    if (!this.isHeld) this.#fades = this.#fadeOut();
    this.#queue = [];
    this.#offset = 0;
    this.#waiting = 0;
    this.#current = null;
    this.#isDry = false;
    this.#cushion = CUSHION_SAMPLES;
    this.#isSounding = false;
    this.#before = new Float32Array(0);
    this.#setApart(null);
    this.#ended.clear();
    return cut;
  }

  /** The item that was last played, or null after a flush. */
  get current(): Played | null {
    return this.#current ? { ...this.#current } : null;
  }

  get waitingSamples(): number {
    return this.#waiting + this.#fades.length;
  }

  /** Whether what is next to be played is being held. */
  get isHeld(): boolean {
    return this.#isHeld && (this.#queue[0]?.replyId ?? this.#currentReply) === this.#apart;
  }

  #setApart(replyId: string | null): void {
    if (replyId === this.#apart) return;
    this.#apart = replyId;
    this.#isHeld = false;
    this.#gain = 1;
    this.#goal = 1;
    this.#comeback = new Float32Array(0);
  }

  #gainOf({ replyId }: Chunk): number {
    return replyId === this.#apart ? this.#gain : 1;
  }

  #takeFades(into: Float32Array): number {
    const count = Math.min(into.length, this.#fades.length);
    if (count === 0) return 0;
    into.set(this.#fades.subarray(0, count));
    this.#fades = this.#fades.slice(count);
    return count;
  }

  #take(into: Float32Array, at: number, chunk: Chunk): number {
    const count = Math.min(into.length - at, chunk.samples.length - this.#offset);
    const samples = chunk.samples.subarray(this.#offset, this.#offset + count);
    const isAsItCame = chunk.replyId !== this.#apart || (this.#gain === 1 && this.#goal === 1);
    if (isAsItCame) into.set(samples, at);
    else for (let i = 0; i < count; i++) into[at + i] = (samples[i] as number) * this.#nextGain();
    this.#count(chunk.itemId, count);
    this.#currentReply = chunk.replyId;
    this.#offset += count;
    this.#waiting -= count;
    if (this.#offset === chunk.samples.length) {
      this.#before = chunk.samples.slice(-FADE_SAMPLES);
      this.#queue.shift();
      this.#offset = 0;
    }
    return count;
  }

  #nextGain(): number {
    const step = Math.min(Math.abs(this.#goal - this.#gain), 1 / FADE_SAMPLES);
    this.#gain += this.#goal > this.#gain ? step : -step;
    return this.#gain;
  }

  #count(itemId: string, samples: number): void {
    if (this.#current?.itemId === itemId) this.#current.samples += samples;
    else {
      this.#current = { itemId, samples };
      this.#cushion = CUSHION_SAMPLES;
    }
  }

  #waitsForMore(): boolean {
    if (!this.#isDry || this.isHeld) return this.#isDry;
    const next = this.#queue[0];
    if (!next) return true;
    const isSame = next.itemId === this.#current?.itemId;
    this.#isDry = isSame && this.#waiting < this.#cushion && !this.#ended.has(next.itemId);
    if (!this.#isDry && isSame) this.#comeIn();
    return this.#isDry;
  }

  /** Whether there is nothing more to play of an item that has not ended. */
  get #isCutShort(): boolean {
    return !this.isHeld && this.#current !== null && !this.#ended.has(this.#current.itemId);
  }

  /** What was played last sounds once more, backwards, on its way to silence. */
  #runDry(): void {
    if (this.#isDry) return;
    this.#isDry = true;
    const past = this.#past().reverse();
    this.#fades = past.map((sample, i) => sample * this.#apartGain * down(i, past.length));
  }

  /** After a pause, what was played last comes before what goes on. */
  #comeIn(): void {
    this.#cushion = Math.min(MOST_CUSHION_SAMPLES, 2 * this.#cushion);
    const past = this.#past();
    const comeback = past.map((sample, i) => (sample * this.#apartGain * (i + 1)) / past.length);
    this.#fades = Float32Array.of(...this.#fades, ...comeback);
  }

  get #apartGain(): number {
    return this.#currentReply === this.#apart ? this.#gain : 1;
  }

  /** What is heard, or the next 5 ms of it, on its way to silence; nothing where nothing sounds. */
  #fadeOut(): Float32Array<ArrayBuffer> {
    if (this.#fades.length > 0) {
      return this.#isSounding
        ? this.#fades.map((sample, i) => sample * down(i, this.#fades.length))
        : this.#fades.slice(0, 0);
    }
    const head = this.#queue[0];
    if (!head || !this.#isSounding) return new Float32Array(0);
    const next = head.samples.slice(this.#offset, this.#offset + FADE_SAMPLES);
    return next.map((sample, i) => sample * this.#gainOf(head) * down(i, next.length));
  }

  /** The last 5 ms that were played, as they came. */
  #past(): Float32Array<ArrayBuffer> {
    const played = this.#queue[0]?.samples.slice(Math.max(0, this.#offset - FADE_SAMPLES), this.#offset);
    const before = this.#before.slice(Math.min(this.#before.length, played?.length ?? 0));
    return Float32Array.of(...before, ...(played ?? []));
  }
}

function down(i: number, length: number): number {
  return 1 - (i + 1) / length;
}
