/** The protocol's events as they pass, for whoever builds on them: the newest, sound shortened. */

export interface LoggedEvent {
  /** Counts up from 1. */
  number: number;
  /** Ms since the epoch. */
  atMs: number;
  from: "client" | "server";
  type: string;
  event: object;
}

const MOST_EVENTS = 2000;

export class EventLog {
  #events: readonly LoggedEvent[] = [];
  #count = 0;
  #watchers = new Set<() => void>();

  /** The newest last. A new array after each change. */
  get events(): readonly LoggedEvent[] {
    return this.#events;
  }

  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  note(from: LoggedEvent["from"], event: { type: string }, atMs: number): void {
    this.#count += 1;
    const logged = { number: this.#count, atMs, from, type: event.type, event };
    this.#events = [...this.#events.slice(1 - MOST_EVENTS), logged];
    for (const watcher of this.#watchers) watcher();
  }

  clear(): void {
    this.#events = [];
    for (const watcher of this.#watchers) watcher();
  }
}
