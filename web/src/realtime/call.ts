/** One call: its microphone, its speaker and its socket, and what passes between them. */

import type { Captured } from "../audio/messages";
import { Microphone } from "../audio/microphone";
import { decodeBase64, encodeBase64, samplesToMs } from "../audio/pcm";
import { type Heard, Speaker } from "../audio/speaker";
import { Answers } from "./answers";
import { type Entries, split } from "./entries";
import { newItemId, SESSION, type ServerEvent, typedItem } from "./events";
import { RealtimeSocket } from "./socket";
import type { LocalEvent } from "./state";
import { diagnose, type Trouble, TroubleError, troubleOf } from "./trouble";
import { TurnClock } from "./turn-clock";

export interface CallOptions {
  base: string;
  key: string | null;
  hasMicrophone: boolean;
  /** What was said before the connection was lost; a new session is told of it. */
  history: Entries;
  tell(event: ServerEvent | LocalEvent): void;
  hear(side: "user" | "assistant", rms: number): void;
}

// 10 s of microphone in base64: a network that is this far behind does not carry a conversation.
const MOST_BACKLOG_BYTES = 640_000;

export class Call {
  readonly #options: CallOptions;
  readonly #context = new AudioContext({ latencyHint: "interactive" });
  #microphone: Microphone | null = null;
  #speaker: Speaker | null = null;
  #socket: RealtimeSocket | null = null;
  #wakeLock: Promise<WakeLockSentinel | null> | null = null;
  #isLive = false;
  #isOver = false;
  readonly #answers = new Answers();
  readonly #clock = new TurnClock();

  constructor(options: CallOptions) {
    this.#options = options;
  }

  /** Call within a user's gesture, or the browser plays nothing. Resolves when the socket is on its way. */
  async start(): Promise<void> {
    try {
      await this.#openSound();
      if (this.#isOver) return;
      this.#socket = new RealtimeSocket(this.#options.base, this.#options.key, {
        event: (event) => this.#receive(event),
        gone: (code, reason, wasOpen) => void this.#lose(code, reason, wasOpen),
      });
    } catch (error) {
      this.#fail(troubleOf(error));
    }
  }

  hangUp(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#socket?.close();
    this.#microphone?.close();
    this.#speaker?.close();
    void this.#wakeLock?.then((lock) => lock?.release());
    void this.#context.close();
  }

  /** Sends typed words; they interrupt an answer as speech does. */
  say(text: string): void {
    const id = newItemId();
    if (this.#answers.isUnderWay) this.#socket?.send({ type: "response.cancel" });
    void this.#silence().then(() => {
      this.#create(id, "user", text);
      this.#socket?.send({ type: "response.create" });
    });
    this.#options.tell({ type: "page.typed", id, text });
  }

  async #openSound(): Promise<void> {
    const { hasMicrophone } = this.#options;
    if (!window.isSecureContext) throw new TroubleError("insecure");
    const resumed = this.#context.resume();
    if (hasMicrophone) this.#keep(await this.#openMicrophone());
    this.#speaker = await Speaker.open(this.#context, {
      heard: (heard, rms) => this.#noteHeard(heard, rms),
      audible: (_itemId, atS) => this.#answered(atS),
      drained: () => this.#drained(),
    });
    await resumed;
  }

  #openMicrophone(): Promise<Microphone> {
    return Microphone.open(
      this.#context,
      (block) => this.#send(block),
      () => this.#fail({ kind: "microphone-lost" }),
    );
  }

  /** The page may have hung up while the browser was still asking for the microphone. */
  #keep(microphone: Microphone): void {
    this.#microphone = microphone;
    if (this.#isOver) microphone.close();
  }

  #send({ samples, rms, endS }: Captured): void {
    if (!this.#isLive || !this.#socket) return;
    this.#clock.hear(rms, endS);
    this.#options.hear("user", rms);
    this.#socket.send({ type: "input_audio_buffer.append", audio: encodeBase64(samples) });
    if (this.#socket.backlogBytes > MOST_BACKLOG_BYTES) this.#fail({ kind: "connection-slow" });
  }

  #receive(event: ServerEvent): void {
    if (event.type === "response.output_audio.delta") this.#play(event.item_id, event.delta);
    else {
      this.#options.tell(event);
      this.#answers.follow(event);
      this.#follow(event);
    }
  }

  #follow(event: ServerEvent): void {
    switch (event.type) {
      case "session.created":
        this.#open();
        break;
      case "input_audio_buffer.speech_started":
        this.#clock.speechStarted(event.audio_start_ms);
        void this.#silence();
        break;
      case "input_audio_buffer.speech_stopped":
        this.#clock.speechStopped(event.audio_end_ms);
        break;
      case "response.output_audio.done":
        this.#speaker?.end(event.item_id);
        break;
      case "response.done":
        if (event.response.status === "cancelled") void this.#silence();
        break;
      case "conversation.item.truncated":
        // The reply says which words the server counts as heard.
        this.#socket?.send({ type: "conversation.item.retrieve", item_id: event.item_id });
        break;
    }
  }

  #open(): void {
    this.#socket?.send({ type: "session.update", session: SESSION });
    for (const entry of this.#options.history) {
      const text = split(entry).heard.trim();
      if (text) this.#create(newItemId(), entry.role, text);
    }
    this.#isLive = true;
    this.#wakeLock = stayAwake();
    this.#options.tell({ type: "page.opened" });
  }

  #create(id: string, role: "user" | "assistant", text: string): void {
    this.#socket?.send({ type: "conversation.item.create", item: typedItem(id, role, text) });
  }

  #play(itemId: string, delta: string): void {
    const samples = decodeBase64(delta);
    const ms = samplesToMs(samples.length);
    if (!this.#answers.receive(itemId, ms)) return;
    this.#speaker?.play(itemId, samples);
    this.#options.tell({ type: "page.sound", id: itemId, ms });
  }

  /** Falls silent at once, and tells the server how much of each cut item was heard. */
  async #silence(): Promise<void> {
    const underWay = this.#answers.cutIn();
    if (!underWay) return;
    const flushed = (await this.#speaker?.flush()) ?? [];
    for (const heard of this.#answers.truncations(flushed, underWay)) this.#truncate(heard);
  }

  #truncate({ itemId, ms }: Heard): void {
    this.#socket?.send({
      type: "conversation.item.truncate",
      item_id: itemId,
      content_index: 0,
      audio_end_ms: ms,
    });
    this.#options.tell({ type: "page.cut", id: itemId, heardMs: ms });
  }

  #noteHeard({ itemId, ms }: Heard, rms: number): void {
    this.#answers.playing(true);
    this.#options.hear("assistant", rms);
    this.#options.tell({ type: "page.heard", id: itemId, ms });
  }

  #answered(atS: number): void {
    const ms = this.#clock.answered(atS);
    if (ms !== null) this.#options.tell({ type: "page.answered", ms });
  }

  #drained(): void {
    this.#answers.playing(false);
    this.#options.hear("assistant", 0);
    this.#options.tell({ type: "page.played_out" });
  }

  async #lose(code: number, reason: string, wasOpen: boolean): Promise<void> {
    if (this.#isLive) return this.#fail(lossOf(code, reason));
    const trouble = await diagnose(this.#options.base, this.#options.key);
    this.#fail(wasOpen && trouble.kind === "server-away" ? lossOf(code, reason) : trouble);
  }

  #fail(trouble: Trouble): void {
    if (this.#isOver) return;
    this.hangUp();
    this.#options.tell({ type: "page.failed", trouble });
  }
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
