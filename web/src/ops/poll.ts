/** Asks the server for its figures, once a second, one question at a time. */

import { bearer, type KeyRing, readError } from "duologue-client";
import { remember, type Sample, sampleOf } from "./history";
import type { OpsState } from "./wire";

const EVERY_MS = 1000;
const MOST_WAIT_MS = 5000;

export interface View {
  /** The last that was heard; it stays while the server is away. */
  state: OpsState | null;
  samples: readonly Sample[];
  trouble: { kind: "key-needed" | "key-wrong" | "not-allowed" | "away"; detail?: string } | null;
}

export class Poll {
  view: View = { state: null, samples: [], trouble: null };
  readonly #keys: KeyRing;
  readonly #watchers = new Set<() => void>();
  #timer = 0;

  constructor(keys: KeyRing) {
    this.#keys = keys;
  }

  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  async run(): Promise<void> {
    clearTimeout(this.#timer);
    const isShut = await this.#ask();
    for (const watcher of this.#watchers) watcher();
    if (!isShut) this.#timer = setTimeout(() => void this.run(), EVERY_MS);
  }

  unlock(key: string): void {
    this.#keys.keep(key);
    void this.run();
  }

  /** Whether asking again would only be a wrong key more. */
  async #ask(): Promise<boolean> {
    const key = this.#keys.key;
    try {
      const answer = await fetch(new URL("state", document.baseURI), {
        headers: bearer(key),
        cache: "no-store",
        signal: AbortSignal.timeout(MOST_WAIT_MS),
      });
      if (answer.ok) this.#show(await answer.json());
      else return await this.#refused(answer, key);
    } catch {
      this.view = { ...this.view, trouble: { kind: "away" } };
    }
    return false;
  }

  #show(state: OpsState): void {
    const samples = remember(this.view.samples, sampleOf(state, performance.now() / 1000));
    this.view = { state, samples, trouble: null };
  }

  async #refused(answer: Response, key: string | null): Promise<boolean> {
    const { message } = await readError(answer);
    const detail = message ? { detail: message } : {};
    if (answer.status === 401) {
      this.#keys.forget();
      const kind = key === null ? "key-needed" : "key-wrong";
      this.view = { ...this.view, state: null, trouble: { kind, ...(key === null ? {} : detail) } };
      return true;
    }
    this.view = {
      ...this.view,
      trouble: { kind: answer.status === 403 ? "not-allowed" : "away", ...detail },
    };
    return false;
  }
}
