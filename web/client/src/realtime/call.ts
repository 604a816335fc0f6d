/** One call: its microphone, the transport that carries it, and another one whenever that is lost. */

import { RemoteVoice } from "../audio/remote-voice";
import type { Tone } from "../audio/tones";
import type { Entries } from "./entries";
import { Equipment } from "./equipment";
import type { ClientEvent, ServerEvent } from "./events";
import type { Choice } from "./fallback";
import { judge } from "./judge";
import { Line } from "./line";
import { Reconnection } from "./reconnect";
import { Session } from "./session";
import type { DeviceSettings, Settings } from "./settings";
import { prepareSleep, sleep } from "./sleep";
import type { LocalEvent } from "./state";
import { Timekeeper } from "./timekeeper";
import {
  type Failure,
  type Transport,
  TransportError,
  type TransportEvents,
  type TransportKind,
  type TransportOptions,
} from "./transport";
import { accessTrouble, type Trouble, TroubleError, troubleOf } from "./trouble";
import { WebRtcTransport } from "./webrtc";
import { WebSocketTransport } from "./websocket";

// A server that gives a place and refuses it all the same is not asked in a circle.
const AGAIN_MS = 2000;
const UNREACHED: Failure = { kind: "closed", code: 1006, reason: "", wasOpen: false };

export interface CallOptions {
  base: string;
  key: string | null;
  hasMicrophone: boolean;
  isMuted: boolean;
  settings: Settings;
  devices: DeviceSettings;
  /** Whether the address of the page asks for this very transport. */
  isForced: boolean;
  /** The transport to begin with, as far as is known by now. */
  choice(): Choice;
  /** The id of the conversation to go on with, "new" or "none". */
  conversation(): string;
  /** What was said before the connection was made or lost; a session that does not know of it is told. */
  history(): Entries;
  /** Items that were taken out while there was no call. */
  removed(): readonly string[];
  tell(event: ServerEvent | LocalEvent): void;
  hear(side: "user" | "assistant", rms: number): void;
  passed(from: "client" | "server", event: ClientEvent | ServerEvent): void;
}

export class Call {
  readonly #options: CallOptions;
  readonly #equipment: Equipment;
  readonly #session: Session;
  readonly #nudge = () => this.#reconnection?.nudge();
  #voice: RemoteVoice | null = null;
  #transport: Transport | null = null;
  /** The conversation that `#transport` was made for. */
  #conversation = "new";
  #line: Line | null = null;
  #reconnection: Reconnection | null = null;
  #isLive = false;
  #hasLived = false;
  #isOver = false;
  #clock = new Timekeeper();

  /** Within a user's gesture, or the browser plays nothing. */
  constructor(options: CallOptions) {
    const { settings, devices, hasMicrophone, isMuted, history, removed, tell } = options;
    this.#options = options;
    this.#equipment = new Equipment({
      hasMicrophone,
      isMuted,
      devices,
      tell,
      switched: async (stream) => this.#transport?.listenTo(stream),
      lost: () => this.#fail({ kind: "microphone-lost" }),
    });
    this.#session = new Session({
      settings,
      isPushToTalk: devices.isPushToTalk,
      history,
      removed,
      tell,
      setMuted: (isMuted) => this.#equipment.setMuted(isMuted),
      nowMs: () => performance.now(),
    });
    addEventListener("online", this.#nudge);
    prepareSleep();
  }

  /** Resolves when the call stands, or has failed. */
  async start(): Promise<void> {
    const { kind, reason } = this.#options.choice();
    if (kind === "webrtc") this.#voice = new RemoteVoice();
    try {
      await this.#prepare();
    } catch (error) {
      return this.#fail(troubleOf(error));
    }
    if (this.#isOver) return;
    this.#options.tell({ type: "page.transport", kind, reason });
    await this.#connect(kind);
  }

  /** `tone`: what is heard of it, if anything. */
  hangUp(tone: Tone | null = "ended"): void {
    if (this.#isOver) return;
    this.#isOver = true;
    removeEventListener("online", this.#nudge);
    this.#reconnection?.stop();
    this.#session.close();
    void this.#transport?.close();
    this.#line?.leave();
    this.#voice?.close();
    this.#equipment.close(this.#hasLived ? tone : null);
  }

  say(text: string): void {
    if (!this.#isLive) return;
    this.#clock.typed(this.#equipment.context.currentTime);
    this.#session.say(text);
  }

  setMuted(isMuted: boolean): void {
    this.#equipment.setMuted(isMuted);
    if (this.#isLive) this.#equipment.play(isMuted ? "muted" : "unmuted");
  }

  hold(isHeld: boolean): void {
    this.#session.hold(isHeld);
  }

  configure(settings: Settings): void {
    this.#session.configure(settings);
  }

  approve(requestId: string, isAllowed: boolean): void {
    this.#session.approve(requestId, isAllowed);
  }

  remove(id: string): void {
    this.#session.remove(id);
  }

  /** While the line is lost: the next try is now. */
  tryNow(): void {
    this.#reconnection?.nudge();
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  useDevices(devices: DeviceSettings): void {
    this.#session.usePushToTalk(devices.isPushToTalk);
    void this.#equipment.use(devices, this.#transport);
  }

  /** The key first: nobody is asked for a microphone only to be turned away. */
  async #prepare(): Promise<void> {
    const { base, key } = this.#options;
    if (!window.isSecureContext) throw new TroubleError("insecure");
    const loaded = this.#equipment.load();
    loaded.catch(() => {});
    const trouble = await accessTrouble(base, key);
    if (trouble) throw new TroubleError(trouble.kind, trouble.detail);
    // A server that is away is told of before anybody is asked for a microphone.
    await loaded;
    await this.#equipment.open();
  }

  async #connect(kind: TransportKind): Promise<void> {
    if (kind === "websocket" && !(await this.#admit(null, null))) return;
    const transport: Transport = this.#make(kind, () => this.#transport === transport);
    this.#transport = transport;
    this.#session.use(transport);
    try {
      await transport.connect();
      await this.#equipment.fit(transport);
    } catch (error) {
      if (this.#transport !== transport) return;
      if (error instanceof TransportError) await this.#lose(error.failure);
      // The worklets come from the server as well: where there was sound before, it is the server that is away.
      else if (error instanceof DOMException && this.#hasLived) await this.#lose(UNREACHED);
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
    const { base, key, conversation } = this.#options;
    this.#conversation = conversation();
    return {
      base,
      key,
      ticket: this.#line?.take() ?? null,
      conversation: this.#conversation,
      isInterruptible: () => this.#session.isInterruptible,
      context: this.#equipment.context,
      microphone: this.#equipment.stream,
      events: this.#transportEvents(isCurrent),
    };
  }

  #transportEvents(isCurrent: () => boolean): TransportEvents {
    const { tell, hear, passed } = this.#options;
    return {
      passed,
      event: (event) => isCurrent() && this.#receive(event),
      tell: (event) => isCurrent() && tell(event),
      sent: (ms, atS) => isCurrent() && this.#clock.align(ms, atS),
      spoke: (rms, endS) => {
        if (!isCurrent()) return;
        this.#clock.hear(rms, endS);
        hear("user", rms);
      },
      answer: (rms) => isCurrent() && hear("assistant", rms),
      arrived: (replyId, atS) => isCurrent() && this.#clock.arrived(replyId, atS),
      audible: (replyId, atS) => {
        const answered = isCurrent() ? this.#clock.audible(replyId, atS) : null;
        if (answered) tell(answered);
      },
      lost: (failure) => isCurrent() && void this.#lose(failure),
    };
  }

  #receive(event: ServerEvent): void {
    this.#clock.follow(event, this.#equipment.context.currentTime);
    this.#options.tell(event);
    if (this.#session.receive(event)) this.#open();
  }

  #open(): void {
    this.#isLive = true;
    this.#hasLived = true;
    this.#reconnection?.stands();
    this.#equipment.stayAwake();
    this.#options.tell({ type: "page.opened" });
    this.#equipment.play("open");
  }

  async #lose(failure: Failure): Promise<void> {
    if (this.#isOver) return;
    const { base, key, isForced } = this.#options;
    const next = await judge(failure, {
      base,
      key,
      isForced,
      kind: this.#transport?.kind ?? "websocket",
      conversation: this.#conversation,
      isLive: this.#isLive,
      hasLived: this.#hasLived,
    });
    if (this.#isOver) return;
    switch (next.act) {
      case "fall-back":
        return this.#turnTo("websocket", { type: "page.transport", kind: "websocket", reason: next.reason });
      case "begin-anew":
        return this.#turnTo(this.#transport?.kind ?? "websocket", { type: "page.forgotten" });
      case "reconnect":
        return this.#reconnect();
      case "show":
        return mayCome(next.trouble) ? this.#queue(next.trouble, failure) : this.#fail(next.trouble);
    }
  }

  async #turnTo(kind: TransportKind, news: LocalEvent): Promise<void> {
    this.#options.tell(news);
    await this.#letGo();
    if (!this.#isOver) await this.#connect(kind);
  }

  /** The server may have one place only: the lost call gives it back before the next one asks. */
  async #letGo(): Promise<void> {
    this.#isLive = false;
    this.#clock = new Timekeeper();
    this.#session.use(null);
    await this.#transport?.close();
    this.#transport = null;
    this.#voice = null;
  }

  /** The line was lost by accident. The microphone stays open meanwhile, but nobody is sent what it hears. */
  async #reconnect(): Promise<void> {
    if (this.#isLive) this.#equipment.play("lost");
    this.#options.tell({ type: "page.reconnecting" });
    this.#reconnection ??= new Reconnection({ nowMs: () => performance.now(), sleep, random: Math.random });
    await this.#letGo();
    const isDue = await this.#reconnection.turn();
    if (this.#isOver) return;
    if (!isDue) return this.#fail({ kind: "connection-lost" });
    const { kind, reason } = this.#options.choice();
    this.#options.tell({ type: "page.transport", kind, reason });
    await this.#connect(kind);
  }

  /** Resolves with whether there is a place for us, as far as can be known. While we wait nobody listens. */
  async #admit(refused: Trouble | null, ticket: string | null): Promise<boolean> {
    const { base, key, conversation, tell } = this.#options;
    const line = new Line(base, key, ticket, sleep, conversation());
    this.#line = line;
    let hasWaited = false;
    const trouble = await line.wait(refused, (wait) => {
      hasWaited = true;
      this.#equipment.stopListening();
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
      await this.#equipment.open();
    } catch (error) {
      this.#fail(troubleOf(error));
    }
  }

  /** The server has no place, or none yet. */
  async #queue(trouble: Trouble, failure: Failure): Promise<void> {
    const kind = this.#transport?.kind ?? this.#options.choice().kind;
    await this.#letGo();
    if (this.#line) await sleep(AGAIN_MS);
    if (this.#isOver) return;
    const ticket = failure.kind === "refused" ? (failure.ticket ?? null) : null;
    if (kind === "websocket" || (await this.#admit(trouble, ticket))) await this.#connect(kind);
  }

  #fail(trouble: Trouble): void {
    if (this.#isOver) return;
    this.hangUp("error");
    this.#options.tell({ type: "page.failed", trouble });
  }
}

/** Whether waiting helps. */
function mayCome({ kind }: Trouble): boolean {
  return kind === "server-full" || kind === "server-warming";
}
