/** One call: its microphone and the transport that carries it, and what passes between them. */

import { Microphone } from "../audio/microphone";
import { RemoteVoice } from "../audio/remote-voice";
import { type Entries, split } from "./entries";
import { newItemId, SESSION, type ServerEvent, typedItem } from "./events";
import { type Choice, type Decision, decide } from "./fallback";
import { Line } from "./line";
import { sleep } from "./sleep";
import type { LocalEvent } from "./state";
import {
  type Failure,
  type Transport,
  TransportError,
  type TransportKind,
  type TransportOptions,
} from "./transport";
import { accessTrouble, diagnose, type Trouble, TroubleError, troubleOf } from "./trouble";
import { TurnClock } from "./turn-clock";
import { WebRtcTransport } from "./webrtc";
import { WebSocketTransport } from "./websocket";

// A server that gives a place and refuses it all the same is not asked in a circle.
const AGAIN_MS = 2000;

export interface CallOptions {
  base: string;
  key: string | null;
  hasMicrophone: boolean;
  choice: Choice;
  /** Whether the address of the page asks for this very transport. */
  isForced: boolean;
  /** What was said before the connection was made or lost; a new session is told of it. */
  history(): Entries;
  tell(event: ServerEvent | LocalEvent): void;
  hear(side: "user" | "assistant", rms: number): void;
}

export class Call {
  readonly #options: CallOptions;
  readonly #context = new AudioContext({ latencyHint: "interactive" });
  #microphone: Microphone | null = null;
  #voice: RemoteVoice | null = null;
  #transport: Transport | null = null;
  #line: Line | null = null;
  #wakeLock: Promise<WakeLockSentinel | null> | null = null;
  #isLive = false;
  #isOver = false;
  #clock = new TurnClock();

  constructor(options: CallOptions) {
    this.#options = options;
  }

  /** Call within a user's gesture, or the browser plays nothing. Resolves when the call stands, or has failed. */
  async start(): Promise<void> {
    const resumed = this.#context.resume();
    const { kind, reason } = this.#options.choice;
    if (kind === "webrtc") this.#voice = new RemoteVoice();
    try {
      await this.#prepare();
      await resumed;
    } catch (error) {
      return this.#fail(troubleOf(error));
    }
    if (this.#isOver) return;
    this.#options.tell({ type: "page.transport", kind, reason });
    await this.#connect(kind);
  }

  hangUp(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    void this.#transport?.close();
    this.#line?.leave();
    this.#voice?.close();
    this.#microphone?.close();
    void this.#wakeLock?.then((lock) => lock?.release());
    void this.#context.close();
  }

  /** Sends typed words; they interrupt an answer as speech does. */
  say(text: string): void {
    const id = newItemId();
    void this.#transport?.interrupt().then(() => {
      this.#create(id, "user", text);
      this.#transport?.send({ type: "response.create" });
    });
    this.#options.tell({ type: "page.typed", id, text });
  }

  /** The key first: nobody is asked for a microphone only to be turned away. */
  async #prepare(): Promise<void> {
    const { base, key } = this.#options;
    if (!window.isSecureContext) throw new TroubleError("insecure");
    const trouble = await accessTrouble(base, key);
    if (trouble) throw new TroubleError(trouble.kind, trouble.detail);
    await this.#openMicrophone();
  }

  async #openMicrophone(): Promise<void> {
    if (!this.#options.hasMicrophone || this.#isOver) return;
    this.#microphone = await Microphone.open(() => this.#fail({ kind: "microphone-lost" }));
    // The page may have hung up while the browser was still asking.
    if (this.#isOver) this.#microphone.close();
  }

  async #connect(kind: TransportKind): Promise<void> {
    if (kind === "websocket" && !(await this.#admit(null, null))) return;
    const transport: Transport = this.#make(kind, () => this.#transport === transport);
    this.#transport = transport;
    try {
      await transport.connect();
    } catch (error) {
      if (error instanceof TransportError) await this.#lose(error.failure);
      else this.#fail(troubleOf(error));
    }
  }

  #make(kind: TransportKind, isCurrent: () => boolean): Transport {
    const options = this.#transportOptions(isCurrent);
    if (kind === "websocket") return new WebSocketTransport(options);
    const voice = this.#voice ?? new RemoteVoice();
    this.#voice = voice;
    return new WebRtcTransport(options, voice);
  }

  #transportOptions(isCurrent: () => boolean): TransportOptions {
    const { base, key, hear, tell } = this.#options;
    const microphone = this.#microphone?.stream ?? null;
    return {
      base,
      key,
      ticket: this.#line?.take() ?? null,
      context: this.#context,
      microphone,
      events: {
        event: (event) => isCurrent() && this.#receive(event),
        tell: (event) => isCurrent() && tell(event),
        spoke: (rms, endS) => {
          if (!isCurrent()) return;
          this.#clock.hear(rms, endS);
          hear("user", rms);
        },
        answer: (rms) => isCurrent() && hear("assistant", rms),
        audible: (atS) => isCurrent() && this.#answered(atS),
        lost: (failure) => isCurrent() && void this.#lose(failure),
      },
    };
  }

  #receive(event: ServerEvent): void {
    this.#options.tell(event);
    switch (event.type) {
      case "session.created":
        this.#open();
        break;
      case "input_audio_buffer.speech_started":
        this.#clock.speechStarted(event.audio_start_ms);
        break;
      case "input_audio_buffer.speech_stopped":
        this.#clock.speechStopped(event.audio_end_ms);
        break;
      case "conversation.item.truncated":
        // The reply says which words the server counts as heard.
        this.#transport?.send({ type: "conversation.item.retrieve", item_id: event.item_id });
        break;
    }
  }

  #open(): void {
    this.#transport?.send({ type: "session.update", session: SESSION });
    for (const entry of this.#options.history()) {
      const text = split(entry).heard.trim();
      if (text && entry.role !== "tool") this.#create(newItemId(), entry.role, text);
    }
    this.#isLive = true;
    this.#wakeLock ??= stayAwake();
    this.#options.tell({ type: "page.opened" });
  }

  #create(id: string, role: "user" | "assistant", text: string): void {
    this.#transport?.send({ type: "conversation.item.create", item: typedItem(id, role, text) });
  }

  #answered(atS: number): void {
    const ms = this.#clock.answered(atS);
    if (ms !== null) this.#options.tell({ type: "page.answered", ms });
  }

  async #lose(failure: Failure): Promise<void> {
    if (this.#isOver) return;
    const decision = await this.#judge(failure);
    if (decision.act === "show") {
      const { trouble } = decision;
      return mayCome(trouble) ? this.#queue(trouble, failure) : this.#fail(trouble);
    }
    this.#isLive = false;
    this.#clock = new TurnClock();
    this.#options.tell({ type: "page.transport", kind: "websocket", reason: decision.reason });
    // The server may have one place only: the lost call gives it back before the next one asks.
    await this.#transport?.close();
    if (!this.#isOver) await this.#connect("websocket");
  }

  /** Resolves with whether there is a place for us, as far as can be known. While we wait nobody listens. */
  async #admit(refused: Trouble | null, ticket: string | null): Promise<boolean> {
    const { base, key, tell } = this.#options;
    const line = new Line(base, key, ticket, sleep);
    this.#line = line;
    let hasWaited = false;
    const trouble = await line.wait(refused, (wait) => {
      hasWaited = true;
      this.#microphone?.close();
      tell({ type: "page.waiting", wait });
    });
    if (this.#isOver) return false;
    if (trouble) this.#fail(trouble);
    else if (hasWaited) await this.#return();
    return !this.#isOver;
  }

  /** It is our turn. */
  async #return(): Promise<void> {
    this.#options.tell({ type: "page.admitted" });
    try {
      await this.#openMicrophone();
    } catch (error) {
      this.#fail(troubleOf(error));
    }
  }

  /** The server has no place, or none yet. */
  async #queue(trouble: Trouble, failure: Failure): Promise<void> {
    const kind = this.#transport?.kind ?? this.#options.choice.kind;
    await this.#transport?.close();
    this.#voice = null;
    if (this.#line) await sleep(AGAIN_MS);
    if (this.#isOver) return;
    const ticket = failure.kind === "refused" ? (failure.ticket ?? null) : null;
    if (kind === "websocket" || (await this.#admit(trouble, ticket))) await this.#connect(kind);
  }

  async #judge(failure: Failure): Promise<Decision> {
    const { base, key, isForced } = this.#options;
    if (this.#transport?.kind === "webrtc") return decide(failure, key !== null, isForced);
    if (failure.kind !== "closed") return { act: "show", trouble: { kind: "connection-slow" } };
    const lost = lossOf(failure.code, failure.reason);
    if (this.#isLive) return { act: "show", trouble: lost };
    const trouble = await diagnose(base, key);
    return { act: "show", trouble: failure.wasOpen && trouble.kind === "server-away" ? lost : trouble };
  }

  #fail(trouble: Trouble): void {
    if (this.#isOver) return;
    this.hangUp();
    this.#options.tell({ type: "page.failed", trouble });
  }
}

/** Whether waiting helps. */
function mayCome({ kind }: Trouble): boolean {
  return kind === "server-full" || kind === "server-warming";
}

/** A phone that falls asleep takes the microphone with it. Where staying awake is refused, talk goes on. */
async function stayAwake(): Promise<WakeLockSentinel | null> {
  try {
    return (await navigator.wakeLock?.request("screen")) ?? null;
  } catch {
    return null;
  }
}

/** 1000, 1008 and the 4000s are the server's decision; all else is an accident. */
function lossOf(code: number, reason: string): Trouble {
  const kind = code === 1000 || code === 1008 || code >= 4000 ? "session-over" : "connection-lost";
  return reason ? { kind, detail: reason } : { kind };
}
