/** What the page says to the server in one call, whatever carries it: settings, history, typed words, the held button. */

import type { Entries } from "./entries";
import {
  type ClientEvent,
  newItemId,
  type ServerEvent,
  typedItem,
  type WireError,
  type WireSession,
} from "./events";
import { cutByLoss, historyItems, needsHistory } from "./joining";
import { type Defaults, type Settings, sessionOf, withoutRefused } from "./settings";
import type { LocalEvent } from "./state";
import type { TransportKind } from "./transport";

// Less is a slip of the finger, and no words.
const LEAST_HOLD_MS = 300;
// People let go with the last sound, which is still on its way through the browser.
const TAIL_MS = 200;

/** A line to the server, as it stands at the moment. */
export interface Wire {
  readonly kind: TransportKind;
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
  #updateId: string | null = null;
  #wire: Wire | null = null;
  #isOpen = false;
  #isAnswering = false;
  /** What was said by button waits for the end of an answer that is not to be interrupted. */
  #isAwaited = false;
  #heldAtMs: number | null = null;
  /** Over the last line that stood the server itself played, and knows better than we what was heard. */
  #wasCountedThere = true;
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
    if (this.#wire && this.#isOpen) this.#wasCountedThere = this.#wire.kind === "webrtc";
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
        this.#update(null);
        return false;
      case "duologue.conversation.opened":
        return this.#open(event.items);
      case "session.updated":
        // A server that keeps nothing says nothing of conversations.
        return this.#open(null);
      case "error":
        this.#mend(event.error);
        return false;
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
    if (this.#isOpen) this.#update(this.#defaults);
  }

  usePushToTalk(isOn: boolean): void {
    if (isOn === this.#isPushToTalk) return;
    this.#isPushToTalk = isOn;
    this.#endTail();
    this.#heldAtMs = null;
    this.#options.setMuted(isOn);
    if (this.#isOpen) this.#update(this.#defaults);
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
    if (!needsHistory(remembered)) {
      this.#tellCut();
      return true;
    }
    for (const item of historyItems(this.#options.history())) {
      this.#send({ type: "conversation.item.create", item });
    }
    return true;
  }

  /** An answer that was cut short by the loss of the line: the server may take more of it for heard than was. */
  #tellCut(): void {
    const cut = cutByLoss(this.#options.history());
    if (!cut || this.#wasCountedThere) return;
    const place = { item_id: cut.id, content_index: 0 } as const;
    this.#send({ type: "conversation.item.truncate", ...place, audio_end_ms: Math.round(cut.heardMs) });
  }

  /** `defaults`: what was chosen before may have to be set back. */
  #update(defaults: Defaults | null): void {
    const session = sessionOf(this.#settings, { isPushToTalk: this.#isPushToTalk, defaults });
    this.#updateId = newItemId();
    this.#send({ type: "session.update", session, event_id: this.#updateId });
  }

  /** A voice that another server had, for example: all else is still wanted. */
  #mend({ event_id, param }: WireError): void {
    if (event_id !== this.#updateId || !param) return;
    const settings = withoutRefused(this.#settings, param);
    if (!settings) return;
    this.#settings = settings;
    this.#update(this.#isOpen ? this.#defaults : null);
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
  const { model = null, instructions = null, audio } = session;
  return { model, instructions, voice: audio?.output?.voice ?? null };
}
