/** The conversation that the page shows: its state, and the call it may be in. */

import { LevelFollower } from "../audio/level";
import { Call } from "./call";
import type { ServerEvent } from "./events";
import { type ConversationState, INITIAL, type LocalEvent, reduce } from "./state";

export class Conversation {
  readonly levels = { user: new LevelFollower(), assistant: new LevelFollower() };
  readonly #base: string;
  readonly #key: string | null;
  readonly #watchers = new Set<() => void>();
  #state = INITIAL;
  #call: Call | null = null;

  /** `base` is the address that `v1/realtime` is found under. */
  constructor(base: string, key: string | null = null) {
    this.#base = base;
    this.#key = key;
  }

  get state(): ConversationState {
    return this.#state;
  }

  /** Calls `watcher` after every change; returns how to stop that. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  start(hasMicrophone = true): void {
    this.#call?.hangUp();
    const history = this.#state.link === "failed" ? this.#state.entries : [];
    this.#tell({ type: "page.connecting", hasMicrophone });
    const call: Call = new Call({
      base: this.#base,
      key: this.#key,
      hasMicrophone,
      history,
      // A call that was hung up may still have news on the way.
      tell: (event) => this.#call === call && this.#tell(event),
      hear: (side, rms) => this.levels[side].hear(rms),
    });
    this.#call = call;
    void call.start();
  }

  end(): void {
    if (!this.#call) return;
    this.#call.hangUp();
    this.#call = null;
    this.#tell({ type: "page.ended" });
  }

  say(text: string): void {
    this.#call?.say(text);
  }

  #tell(event: ServerEvent | LocalEvent): void {
    this.#state = reduce(this.#state, event);
    if (event.type === "page.failed") this.#call = null;
    if (this.#state.link !== "open") this.#hush();
    for (const watcher of this.#watchers) watcher();
  }

  #hush(): void {
    this.levels.user.hear(0);
    this.levels.assistant.hear(0);
  }
}
