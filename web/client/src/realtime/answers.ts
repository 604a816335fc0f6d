/** The answers on their way: which sound is still wanted, and what to tell the server when the user cuts in. */

import type { Heard } from "../audio/speaker";
import type { ServerEvent } from "./events";

export class Answers {
  readonly #receivedMs = new Map<string, number>();
  readonly #cut = new Set<string>();
  /** Items of the response in progress; null when there is none. */
  #underWay: Set<string> | null = null;
  #isPlaying = false;

  get isUnderWay(): boolean {
    return this.#underWay !== null;
  }

  follow(event: ServerEvent): void {
    if (event.type === "response.created") this.#underWay = new Set();
    else if (event.type === "response.output_item.added") this.#underWay?.add(event.item.id);
    else if (event.type === "response.done") this.#underWay = null;
  }

  /** Counts sound that came in; false if its item was cut, so that it must not be played. */
  receive(itemId: string, ms: number): boolean {
    if (this.#cut.has(itemId)) return false;
    this.#receivedMs.set(itemId, (this.#receivedMs.get(itemId) ?? 0) + ms);
    this.#isPlaying = true;
    return true;
  }

  /** How much sound of an item came in, in whole ms. */
  receivedMs(itemId: string): number {
    return Math.floor(this.#receivedMs.get(itemId) ?? 0);
  }

  playing(isPlaying: boolean): void {
    this.#isPlaying = isPlaying;
  }

  /** The user cuts in. Returns the items still being made, or null if there is nothing to silence. */
  cutIn(): Set<string> | null {
    const underWay = this.#underWay ?? new Set<string>();
    if (!this.#isPlaying && underWay.size === 0) return null;
    for (const itemId of underWay) this.#cut.add(itemId);
    this.#isPlaying = false;
    return underWay;
  }

  /** Of the items that a flush stopped, those that were not heard whole; never beyond what came in. */
  truncations(flushed: readonly Heard[], underWay: ReadonlySet<string>): Heard[] {
    const unheard = flushed
      .map(({ itemId, ms }) => ({ itemId, ms, received: this.receivedMs(itemId) }))
      .filter(({ itemId, ms, received }) => ms < received || underWay.has(itemId));
    for (const { itemId } of unheard) this.#cut.add(itemId);
    return unheard.map(({ itemId, ms, received }) => ({ itemId, ms: Math.min(ms, received) }));
  }
}
