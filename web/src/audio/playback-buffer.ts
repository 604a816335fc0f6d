/**
 * What is still to be heard, in order, and what was heard of each item. Samples are 24 kHz mono floats.
 *
 * An item starts to play with its first samples. Should they run out in mid-item, the buffer waits for
 * 80 ms of sound before it goes on: one pause rather than a crackle at every late packet.
 */

import { WIRE_HZ } from "./pcm";

export interface Played {
  itemId: string;
  samples: number;
}

interface Chunk {
  /** Null for the fade that follows a flush: it is heard, but counts for no item. */
  itemId: string | null;
  samples: Float32Array;
}

const CUSHION_SAMPLES = 0.08 * WIRE_HZ;
// 5 ms of fade: long enough not to click, too short to be heard as speech.
const FADE_SAMPLES = 0.005 * WIRE_HZ;

export class PlaybackBuffer {
  #queue: Chunk[] = [];
  #offset = 0;
  #waiting = 0;
  #current: Played | null = null;
  #ended = new Set<string>();
  #isHolding = false;

  push(itemId: string, samples: Float32Array): void {
    if (samples.length === 0) return;
    this.#queue.push({ itemId, samples });
    this.#waiting += samples.length;
  }

  /** No more samples of this item will come. */
  end(itemId: string): void {
    this.#ended.add(itemId);
  }

  /** Fills `into`, with silence where there is nothing to play; returns how many samples were sound. */
  pull(into: Float32Array): number {
    if (this.#isHeld()) {
      into.fill(0);
      return 0;
    }
    let filled = 0;
    while (filled < into.length && this.#queue[0]) filled += this.#take(into, filled, this.#queue[0]);
    into.fill(0, filled);
    if (filled < into.length)
      this.#isHolding = this.#current !== null && !this.#ended.has(this.#current.itemId);
    return filled;
  }

  /**
   * Drops everything at once but a 5 ms fade. Returns each item that was under way or waiting, with the
   * samples of it that were played.
   */
  flush(): Played[] {
    const cut = this.#current ? [this.#current] : [];
    for (const { itemId } of this.#queue) {
      if (itemId !== null && !cut.some((item) => item.itemId === itemId)) cut.push({ itemId, samples: 0 });
    }
    const fade = this.#fade();
    this.#queue = fade.length > 0 ? [{ itemId: null, samples: fade }] : [];
    this.#offset = 0;
    this.#waiting = fade.length;
    this.#current = null;
    this.#isHolding = false;
    this.#ended.clear();
    return cut;
  }

  /** The item that was last played, or null after a flush. */
  get current(): Played | null {
    return this.#current ? { ...this.#current } : null;
  }

  get waitingSamples(): number {
    return this.#waiting;
  }

  #take(into: Float32Array, at: number, chunk: Chunk): number {
    const count = Math.min(into.length - at, chunk.samples.length - this.#offset);
    into.set(chunk.samples.subarray(this.#offset, this.#offset + count), at);
    this.#count(chunk.itemId, count);
    this.#offset += count;
    this.#waiting -= count;
    if (this.#offset === chunk.samples.length) {
      this.#queue.shift();
      this.#offset = 0;
    }
    return count;
  }

  #count(itemId: string | null, samples: number): void {
    if (itemId === null) return;
    if (this.#current?.itemId === itemId) this.#current.samples += samples;
    else this.#current = { itemId, samples };
  }

  #isHeld(): boolean {
    if (!this.#isHolding) return false;
    const next = this.#queue[0];
    if (!next) return true;
    const isReady = this.waitingSamples >= CUSHION_SAMPLES || next.itemId !== this.#current?.itemId;
    this.#isHolding = !isReady && !this.#ended.has(next.itemId ?? "");
    return this.#isHolding;
  }

  #fade(): Float32Array {
    const head = this.#queue[0];
    if (!head || this.#isHolding) return new Float32Array(0);
    const tail = head.samples.slice(this.#offset, this.#offset + FADE_SAMPLES);
    return tail.map((sample, i) => sample * (1 - (i + 1) / tail.length));
  }
}
