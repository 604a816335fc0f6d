/** Talk over a WebSocket: both sides' sound as events, played here, so that this side knows what was heard. */

import type { Captured } from "../audio/messages";
import { decodeBase64, encodeBase64, samplesToMs } from "../audio/pcm";
import { type Heard, Speaker } from "../audio/speaker";
import { type Close, capture } from "../audio/tap";
import { Answers } from "./answers";
import type { ClientEvent, ServerEvent } from "./events";
import { fits } from "./key";
import { PlayedReports } from "./played";
import { RealtimeSocket } from "./socket";
import { type Failure, type Transport, TransportError, type TransportOptions } from "./transport";
import { TroubleError } from "./trouble";

// 10 s of microphone in base64: a network that is this far behind does not carry a conversation.
const MOST_BACKLOG_BYTES = 640_000;
// Where the browser says that there is no network, 2 s are proof enough. To a server on this machine nothing piles up.
const MOST_OFFLINE_BYTES = 128_000;

type Sound = Extract<ServerEvent, { type: "response.output_audio.delta" }>;

export class WebSocketTransport implements Transport {
  readonly kind = "websocket";
  readonly #options: TransportOptions;
  readonly #answers = new Answers();
  readonly #reports = new PlayedReports();
  /** The reply that each item is of, for those whose sound came in. */
  readonly #replies = new Map<string, string>();
  /** The item that is playing, or was last; null where it was cut. */
  #lastItem: string | null = null;
  #ending = 0;
  #socket: RealtimeSocket | null = null;
  #speaker: Speaker | null = null;
  #closeTap: Close | null = null;
  #isGreeted = false;
  #isClosed = false;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  async connect(): Promise<void> {
    const { key } = this.#options;
    if (key && !fits(key, "subprotocol")) throw new TroubleError("key-unfit");
    await this.#openSound();
    if (this.#isClosed) return;
    await new Promise<void>((resolve, reject) => {
      this.#socket = new RealtimeSocket(this.#options, {
        event: (event) => {
          if (event.type === "session.created") this.#greet(resolve);
          this.#receive(event);
        },
        passed: (from, event) => this.#options.events.passed(from, event),
        gone: (failure) => (this.#isGreeted ? this.#lose(failure) : reject(new TransportError(failure))),
      });
    });
  }

  send(event: ClientEvent): void {
    this.#socket?.send(event);
  }

  async interrupt(): Promise<void> {
    if (this.#answers.isUnderWay) this.send({ type: "response.cancel" });
    await this.#silence();
  }

  async listenTo(microphone: MediaStream | null): Promise<void> {
    const { context } = this.#options;
    const close = microphone && (await capture(context, microphone, (block) => this.#speak(block)));
    this.#closeTap?.();
    this.#closeTap = close;
    if (this.#isClosed) this.#closeTap?.();
  }

  setVolume(volume: number): void {
    this.#speaker?.setVolume(volume);
  }

  async setSink(deviceId: string | null): Promise<void> {
    await this.#speaker?.setSink(deviceId);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#ending);
    this.#socket?.close();
    this.#closeTap?.();
    this.#speaker?.close();
  }

  async #openSound(): Promise<void> {
    const { context, microphone, events } = this.#options;
    this.#speaker = await Speaker.open(context, {
      heard: (heard, rms) => this.#noteHeard(heard, rms),
      audible: (itemId, atS) => events.audible(this.#replies.get(itemId) ?? "", atS),
      drained: () => this.#drained(),
    });
    await this.listenTo(microphone);
    if (this.#isClosed) void this.close();
  }

  #greet(resolve: () => void): void {
    this.#isGreeted = true;
    resolve();
  }

  #lose(failure: Failure): void {
    if (this.#isClosed) return;
    void this.close();
    this.#options.events.lost(failure);
  }

  #speak({ samples, rms, endS }: Captured): void {
    if (!this.#isGreeted || !this.#socket) return;
    this.#options.events.spoke(rms, endS);
    this.send({ type: "input_audio_buffer.append", audio: encodeBase64(samples) });
    const most = navigator.onLine ? MOST_BACKLOG_BYTES : MOST_OFFLINE_BYTES;
    if (this.#socket.backlogBytes > most) this.#lose({ kind: "slow" });
  }

  #receive(event: ServerEvent): void {
    if (event.type === "response.output_audio.delta") this.#play(event);
    else if (event.type === "error" && this.#reports.isRefusal(event.error)) return;
    else {
      this.#options.events.event(event);
      this.#answers.follow(event);
      this.#follow(event);
    }
  }

  #follow(event: ServerEvent): void {
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        if (this.#options.isInterruptible()) void this.#silence();
        break;
      case "response.output_audio.done":
        this.#speaker?.end(event.item_id);
        break;
      case "response.done":
        if (event.response.status === "cancelled") void this.#silence();
        break;
      case "duologue.output_audio.lowered":
        this.#speaker?.lower(event.response_id, event.gain);
        break;
      case "duologue.output_audio.held":
        this.#speaker?.hold(event.response_id);
        break;
      case "duologue.output_audio.resumed":
        this.#speaker?.resume(event.response_id);
        break;
    }
  }

  #play({ response_id: replyId, item_id: itemId, delta }: Sound): void {
    const samples = decodeBase64(delta);
    const ms = samplesToMs(samples.length);
    if (!this.#answers.receive(itemId, ms)) return;
    if (!this.#replies.has(itemId)) {
      this.#replies.set(itemId, replyId);
      this.#options.events.arrived(replyId, this.#options.context.currentTime);
    }
    this.#speaker?.play(replyId, itemId, samples);
    this.#options.events.tell({ type: "page.sound", id: itemId, ms });
  }

  /** Falls silent at once, and tells the server how much of each cut item was heard. */
  async #silence(): Promise<void> {
    const underWay = this.#answers.cutIn();
    if (!underWay) return;
    this.#lastItem = null;
    clearTimeout(this.#ending);
    const flushed = (await this.#speaker?.flush()) ?? [];
    for (const heard of this.#answers.truncations(flushed, underWay)) this.#truncate(heard);
  }

  #truncate({ itemId, ms }: Heard): void {
    this.send({ type: "conversation.item.truncate", item_id: itemId, content_index: 0, audio_end_ms: ms });
    this.#options.events.tell({ type: "page.cut", id: itemId, heardMs: ms });
  }

  #noteHeard({ itemId, ms }: Heard, rms: number): void {
    this.#lastItem = itemId;
    this.#report(this.#reports.heard({ itemId, ms }, performance.now()));
    this.#answers.playing(true);
    this.#options.events.answer(rms);
    this.#options.events.tell({ type: "page.heard", id: itemId, ms });
  }

  #report(played: ClientEvent | null): void {
    if (played) this.send(played);
  }

  /** The device sounds the last of it a little later. */
  #reportEnd(itemId: string): void {
    const whole = { itemId, ms: this.#answers.receivedMs(itemId) };
    clearTimeout(this.#ending);
    this.#ending = setTimeout(() => this.#report(this.#reports.ended(whole)), this.#speaker?.lagMs ?? 0);
  }

  #drained(): void {
    if (this.#lastItem) this.#reportEnd(this.#lastItem);
    this.#answers.playing(false);
    this.#options.events.answer(0);
    this.#options.events.tell({ type: "page.played_out" });
  }
}
