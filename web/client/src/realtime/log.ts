/** The protocol's events as they pass, for whoever builds on them: the newest, sound shortened. */

export interface LoggedEvent {
  /** Counts up from 1. */
  number: number;
  /** Ms since the epoch. */
  atMs: number;
  from: "client" | "server";
  type: string;
  event: object;
  /** How many alike this stands for: a second of sound at most. Absent: one. */
  count?: number;
}

const MOST_EVENTS = 2000;
// A panel that is drawn ten times a second is read as live; sound alone makes 50 events a second.
const TELL_MS = 100;
const RUN_MS = 1000;
// So many other events may lie between two pieces of one run.
const MOST_BETWEEN = 100;
/** Where events carry sound, as base64. */
const SOUND: Record<string, string> = {
  "input_audio_buffer.append": "audio",
  "response.output_audio.delta": "delta",
};

export class EventLog {
  readonly #later: (run: () => void) => void;
  #events: LoggedEvent[] = [];
  #shown: readonly LoggedEvent[] | null = [];
  #count = 0;
  #watchers = new Set<() => void>();
  #isTelling = false;

  /** `later` runs what it is given once, some time after: it spaces out what watchers are told. */
  constructor(later: (run: () => void) => void = (run) => void setTimeout(run, TELL_MS)) {
    this.#later = later;
  }

  /** The newest last. A new array after each change. */
  get events(): readonly LoggedEvent[] {
    this.#shown ??= this.#events.slice(-MOST_EVENTS);
    return this.#shown;
  }

  /** `watcher` is called some time after a change. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  note(from: LoggedEvent["from"], event: { type: string }, atMs: number): void {
    const sound = SOUND[event.type];
    if (sound) this.#noteSound(from, event, sound, atMs);
    else this.#add(from, event, event, atMs);
    this.#changed();
  }

  clear(): void {
    this.#events = [];
    this.#changed();
  }

  #add(from: LoggedEvent["from"], { type }: { type: string }, event: object, atMs: number): void {
    this.#count += 1;
    this.#events.push({ number: this.#count, atMs, from, type, event });
    // Cut now and then, so that a long talk costs no more for each event.
    if (this.#events.length >= 2 * MOST_EVENTS) this.#events = this.#events.slice(-MOST_EVENTS);
  }

  /** A second of sound is one event in the log: else it would soon hold nothing but sound. */
  #noteSound(from: LoggedEvent["from"], event: { type: string }, field: string, atMs: number): void {
    const sound = String((event as Record<string, unknown>)[field]);
    const start = Math.max(0, this.#events.length - MOST_BETWEEN);
    const recent = this.#events.slice(start);
    const at = recent.findLastIndex((last) => isMore(last, from, event, atMs));
    const before = recent[at];
    const bytes = bytesOf(sound) + (before ? countedIn(before.event, field) : 0);
    const shortened = { ...event, [field]: `<${bytes} bytes>` };
    if (!before) this.#add(from, event, shortened, atMs);
    else this.#events[start + at] = { ...before, event: shortened, count: (before.count ?? 1) + 1 };
  }

  #changed(): void {
    this.#shown = null;
    if (this.#isTelling || this.#watchers.size === 0) return;
    this.#isTelling = true;
    this.#later(() => {
      this.#isTelling = false;
      for (const watcher of this.#watchers) watcher();
    });
  }
}

function isMore(last: LoggedEvent, from: string, event: { type: string }, atMs: number): boolean {
  const isAlike = last.from === from && last.type === event.type && replyOf(last.event) === replyOf(event);
  return isAlike && atMs - last.atMs < RUN_MS;
}

function replyOf(event: object): unknown {
  return (event as { response_id?: unknown }).response_id;
}

function bytesOf(base64: string): number {
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return Math.floor((base64.length * 3) / 4) - padding;
}

function countedIn(event: object, field: string): number {
  return Number(/\d+/.exec(String((event as Record<string, unknown>)[field]))?.[0] ?? 0);
}
