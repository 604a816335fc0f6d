/** What the page says to the server in one call, whatever carries it: settings, history, typed words, the held button. */

import type { Entries } from "./entries";
import { type ClientEvent, newItemId, type ServerEvent, typedItem, type WireSession } from "./events";
import { historyItems, needsHistory } from "./joining";
import { type Defaults, type Settings, sessionOf } from "./settings";
import type { LocalEvent } from "./state";

// Less is a slip of the finger, and no words.
const LEAST_HOLD_MS = 300;
// People let go with the last sound, which is still on its way through the browser.
const TAIL_MS = 200;

/** A line to the server, as it stands at the moment. */
export interface Wire {
  send(event: ClientEvent): void;
  interrupt(): Promise<void>;
}

export interface SessionOptions {
  settings: Settings;
  isPushToTalk: boolean;
  history(): Entries;
  /** Items that were taken out while nobody was there to be told. */
  removed(): readonly string[];
  tell(event: LocalEvent): void;
  setMuted(isMuted: boolean): void;
  nowMs(): number;
}

export class Session {
  readonly #options: SessionOptions;
  #settings: Settings;
  #isPushToTalk: boolean;
  #defaults: Defaults | null = null;
  #wire: Wire | null = null;
  #isOpen = false;
  #isAnswering = false;
  /** What was said by button waits for the end of an answer that is not to be interrupted. */
  #isAwaited = false;
  #heldAtMs: number | null = null;
  #tail: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#isPushToTalk = options.isPushToTalk;
  }

  get isInterruptible(): boolean {
    return this.#settings.isInterruptible;
  }

  /** A line that is being made; null: there is none. */
  use(wire: Wire | null): void {
    this.#wire = wire;
    this.#isOpen = false;
    this.#isAnswering = false;
    this.#isAwaited = false;
  }

  /** Returns whether the session stands from this event on. */
  receive(event: ServerEvent): boolean {
    switch (event.type) {
      case "session.created":
        this.#defaults ??= defaultsOf(event.session);
        this.#update();
        return false;
      case "duologue.conversation.opened":
        return this.#open(event.items);
      case "session.updated":
        // A server that keeps nothing says nothing of conversations.
        return this.#open(null);
      case "conversation.item.truncated":
        // The reply says which words the server counts as heard.
        this.#send({ type: "conversation.item.retrieve", item_id: event.item_id });
        return false;
      case "response.created":
        this.#isAnswering = true;
        return false;
      case "response.done":
        this.#isAnswering = false;
        if (this.#isAwaited) this.#ask();
        return false;
      default:
        return false;
    }
  }

  /** Sends typed words; they interrupt an answer as speech does. */
  say(text: string): void {
    const id = newItemId();
    const wire = this.#wire;
    void wire?.interrupt().then(() => {
      wire.send({ type: "conversation.item.create", item: typedItem(id, "user", text) });
      wire.send({ type: "response.create" });
    });
    this.#options.tell({ type: "page.typed", id, text });
  }

  configure(settings: Settings): void {
    this.#settings = settings;
    if (this.#isOpen) this.#update();
  }

  usePushToTalk(isOn: boolean): void {
    if (isOn === this.#isPushToTalk) return;
    this.#isPushToTalk = isOn;
    this.#endTail();
    this.#heldAtMs = null;
    this.#options.setMuted(isOn);
    if (this.#isOpen) this.#update();
  }

  hold(isHeld: boolean): void {
    if (!this.#isPushToTalk || !this.#isOpen || isHeld === (this.#heldAtMs !== null)) return;
    if (isHeld) this.#press();
    else this.#release();
  }

  approve(requestId: string, isAllowed: boolean): void {
    const item = { type: "mcp_approval_response", approval_request_id: requestId, approve: isAllowed };
    this.#send({ type: "conversation.item.create", item });
  }

  remove(id: string): void {
    this.#send({ type: "conversation.item.delete", item_id: id });
  }

  close(): void {
    this.#endTail();
    this.use(null);
  }

  #open(remembered: number | null): boolean {
    if (this.#isOpen) return false;
    this.#isOpen = true;
    for (const id of this.#options.removed()) this.remove(id);
    if (!needsHistory(remembered)) return true;
    for (const item of historyItems(this.#options.history())) {
      this.#send({ type: "conversation.item.create", item });
    }
    return true;
  }

  #update(): void {
    const session = sessionOf(this.#settings, {
      isPushToTalk: this.#isPushToTalk,
      defaults: this.#defaults,
    });
    this.#send({ type: "session.update", session });
  }

  #press(): void {
    this.#heldAtMs = this.#options.nowMs();
    const isInTail = this.#tail !== undefined;
    this.#endTail();
    this.#options.tell({ type: "page.muted", isMuted: false });
    this.#options.setMuted(false);
    if (isInTail) return;
    // The silence since the last turn is no part of this one.
    this.#send({ type: "input_audio_buffer.clear" });
    if (this.isInterruptible) void this.#wire?.interrupt();
  }

  #release(): void {
    const heldMs = this.#options.nowMs() - (this.#heldAtMs ?? 0);
    this.#heldAtMs = null;
    const isEmpty = heldMs < LEAST_HOLD_MS;
    this.#options.tell({ type: "page.released", isEmpty });
    if (isEmpty) {
      this.#options.setMuted(true);
      this.#send({ type: "input_audio_buffer.clear" });
      return;
    }
    this.#tail = setTimeout(() => this.#finish(), TAIL_MS);
  }

  #finish(): void {
    this.#tail = undefined;
    this.#options.setMuted(true);
    this.#send({ type: "input_audio_buffer.commit" });
    if (this.#isAnswering) this.#isAwaited = true;
    else this.#ask();
  }

  #ask(): void {
    this.#isAwaited = false;
    this.#send({ type: "response.create" });
  }

  #endTail(): void {
    clearTimeout(this.#tail);
    this.#tail = undefined;
  }

  #send(event: ClientEvent): void {
    this.#wire?.send(event);
  }
}

function defaultsOf(session: WireSession | undefined): Defaults | null {
  if (!session) return null;
  return { instructions: session.instructions ?? null, voice: session.audio?.output?.voice ?? null };
}
