// What every client here needs: the events that came, in order, and waiting for the next of a kind.

const PATIENCE_MS = 15_000;
export const APPEND_BYTES = 4_800;
export const SILENCE = new Uint8Array(72_000);
export const HALF_SECOND = 24_000;

/** Throws what is wrong, in words. */
export function check(isSo, problem) {
  if (!isSo) throw new Error(problem);
}

/** Events in the order in which they came. Each is waited for after the one found before it. */
export class Events {
  #seen = [];
  #read = 0;
  #wake = () => {};
  #failure = null;

  push(event) {
    this.#seen.push(event);
    this.#wake();
  }

  /** The client has reported an error: whoever waits is told. */
  fail(problem) {
    this.#failure ??= problem instanceof Error ? problem : new Error(JSON.stringify(problem));
    this.#wake();
  }

  /** Read on to the next event that suits -> it. */
  async until(kind, suits = () => true) {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      if (this.#failure) throw this.#failure;
      while (this.#read < this.#seen.length) {
        const event = this.#seen[this.#read++];
        if (event.type === kind && suits(event)) return event;
      }
      const left = deadline - Date.now();
      check(left > 0, `no ${kind} within ${PATIENCE_MS} ms; the last were ${this.last(12)}`);
      await new Promise((wake) => {
        this.#wake = wake;
        setTimeout(wake, left);
      });
    }
  }

  /** How far has been read: the beginning of what `since` gives. */
  get position() {
    return this.#read;
  }

  /** What was read from `position` on. */
  since(position) {
    return this.#seen.slice(position, this.#read);
  }

  last(count) {
    return this.#seen.slice(-count).map((event) => event.type).join(", ");
  }
}

/** `sound` (Uint8Array) in pieces of 100 ms. */
export function* pieces(sound) {
  for (let start = 0; start < sound.length; start += APPEND_BYTES) yield sound.slice(start, start + APPEND_BYTES);
}

/** End the process with the reason when a conversation failed. */
export function run(conversation) {
  conversation().then(
    () => process.exit(0),
    (error) => {
      console.error(error.stack ?? error);
      process.exit(1);
    },
  );
}
