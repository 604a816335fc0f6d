/** The conversation that the page shows: its state, and the call it may be in. */

import { LevelFollower } from "../audio/level";
import { Call } from "./call";
import type { ServerEvent } from "./events";
import { type FallbackReason, firstChoice, isLasting } from "./fallback";
import { joining } from "./joining";
import { KeptConversations } from "./kept";
import type { KeyRing } from "./key";
import { EventLog } from "./log";
import { reduce } from "./reduce";
import { DEFAULT_DEVICES, DEFAULT_SETTINGS, type DeviceSettings, type Settings } from "./settings";
import { recall } from "./shown";
import { type ConversationState, INITIAL, type LocalEvent } from "./state";
import type { TransportKind } from "./transport";
import type { Trouble } from "./trouble";

export interface ConversationOptions {
  /** The address that `v1/realtime` is found under. */
  base: string;
  keys: KeyRing;
  /** The transport that the page's address asks for; null to choose. */
  asked: TransportKind | null;
}

export interface StartOptions {
  /** Default true. */
  hasMicrophone?: boolean;
  /** A conversation that the server keeps, to be gone on with; else a new one. */
  conversationId?: string;
}

/** All that a view needs of a conversation. */
export interface Talk {
  readonly state: ConversationState;
  readonly levels: { readonly user: LevelFollower; readonly assistant: LevelFollower };
  readonly log: EventLog;
  readonly settings: Settings;
  readonly devices: DeviceSettings;
  /** Calls `watcher` after every change; returns how to stop that. */
  watch(watcher: () => void): () => void;
  /** Within a user's gesture. While a lost line is made anew: tries at once. */
  start(options?: StartOptions): void;
  /** Shows a kept conversation without talking; `start` then goes on with it. Rejects with KeptTrouble. */
  show(conversationId: string): Promise<void>;
  /** Away with what is shown: the next start begins anew. */
  clear(): void;
  end(): void;
  unlock(key: string): void;
  say(text: string): void;
  setMuted(isMuted: boolean): void;
  /** Push-to-talk: the button is held, or let go. */
  hold(isHeld: boolean): void;
  /** At once where a talk is under way, as far as the protocol allows; else from the next one on. */
  configure(settings: Settings): void;
  useDevices(devices: DeviceSettings): void;
  /** The user's word on a tool that asks: the id of its entry. */
  approve(id: string, isAllowed: boolean): void;
  /** Takes an entry out of the conversation, here and on the server. */
  remove(id: string): void;
}

export class Conversation implements Talk {
  readonly log = new EventLog();
  readonly levels = { user: new LevelFollower(), assistant: new LevelFollower() };
  readonly #options: ConversationOptions;
  readonly #kept: KeptConversations;
  readonly #watchers = new Set<() => void>();
  #settings = DEFAULT_SETTINGS;
  #devices = DEFAULT_DEVICES;
  #state = INITIAL;
  #call: Call | null = null;
  /** Why this page cannot use WebRTC, once it is known. */
  #obstacle: FallbackReason | null = null;
  /** Items that were taken out while there was no call. */
  #removed: string[] = [];
  /** Counts what was asked to be shown: only the last is. */
  #asked = 0;

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.#kept = new KeptConversations(options.base, () => options.keys.key);
  }

  get state(): ConversationState {
    return this.#state;
  }

  get settings(): Settings {
    return this.#settings;
  }

  get devices(): DeviceSettings {
    return this.#devices;
  }

  /** Calls `watcher` after every change; returns how to stop that. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  start({ hasMicrophone = true, conversationId }: StartOptions = {}): void {
    if (this.#state.link === "reconnecting" && this.#call && conversationId === undefined) {
      this.#call.tryNow();
      return;
    }
    const isShown = this.#state.link === "idle" && this.#state.isKept;
    const asked = conversationId ?? (isShown ? this.#state.conversationId : null);
    const isKnown = asked !== null && asked === this.#state.conversationId;
    const elsewhere = this.#state.trouble?.kind === "taken-over" ? this.#state.conversationId : null;
    this.#asked += 1;
    this.#call?.hangUp(null);
    this.#tell({ type: "page.connecting", hasMicrophone, ...(asked ? { conversationId: asked } : {}) });
    this.#call = this.#newCall(hasMicrophone);
    void this.#call.start();
    // In another page more may have been said.
    const unknown = isKnown || asked === null ? elsewhere : asked;
    if (unknown !== null && unknown === this.#state.conversationId) void this.#fill(unknown);
  }

  /** Tries again with a key that the user gave, as the user meant to go on: with the microphone or without. */
  unlock(key: string): void {
    this.#options.keys.keep(key);
    this.start({ hasMicrophone: this.#state.hasMicrophone });
  }

  async show(conversationId: string): Promise<void> {
    const { link } = this.#state;
    const isThere = conversationId === this.#state.conversationId && this.#call !== null;
    if (isThere || (conversationId === this.#state.conversationId && link === "idle")) return;
    this.#asked += 1;
    const turn = this.#asked;
    const items = await this.#kept.items(conversationId);
    if (turn !== this.#asked) return;
    this.end();
    this.#removed = [];
    this.#tell({ type: "page.shown", id: conversationId, ...recall(items) });
  }

  clear(): void {
    this.#asked += 1;
    this.end();
    this.#removed = [];
    this.#tell({ type: "page.cleared" });
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

  /** Nothing to do for whoever holds a button to be heard. */
  setMuted(isMuted: boolean): void {
    if (this.#devices.isPushToTalk || isMuted === this.#state.isMuted) return;
    this.#tell({ type: "page.muted", isMuted });
    this.#call?.setMuted(isMuted);
  }

  hold(isHeld: boolean): void {
    this.#call?.hold(isHeld);
  }

  configure(settings: Settings): void {
    this.#settings = settings;
    this.#call?.configure(settings);
    this.#say();
  }

  useDevices(devices: DeviceSettings): void {
    const isChanged = devices.isPushToTalk !== this.#devices.isPushToTalk;
    this.#devices = devices;
    if (isChanged) this.#tell({ type: "page.push_to_talk", isOn: devices.isPushToTalk });
    else this.#say();
    this.#call?.useDevices(devices);
  }

  approve(id: string, isAllowed: boolean): void {
    if (!this.#call?.isLive) return;
    this.#tell({ type: "page.decided", id, isAllowed });
    this.#call.approve(id, isAllowed);
  }

  remove(id: string): void {
    if (this.#call?.isLive) this.#call.remove(id);
    else this.#removed.push(id);
    this.#tell({ type: "page.removed", id });
  }

  #newCall(hasMicrophone: boolean): Call {
    const { base, keys, asked } = this.#options;
    const call: Call = new Call({
      base,
      key: keys.key,
      hasMicrophone,
      isMuted: this.#state.isMuted,
      settings: this.#settings,
      devices: this.#devices,
      isForced: asked !== null,
      choice: () => firstChoice(asked, "RTCPeerConnection" in globalThis, this.#obstacle),
      conversation: () => joining(this.#state, this.#settings),
      history: () => this.#state.entries,
      removed: () => this.#removed.splice(0),
      // A call that was hung up may still have news on the way.
      tell: (event) => this.#call === call && this.#tell(event),
      hear: (side, rms) => this.levels[side].hear(rms),
      passed: (from, event) => this.log.note(from, event, Date.now()),
    });
    return call;
  }

  /** What was said before, while the call is being made; where it cannot be had, the talk goes on without. */
  async #fill(conversationId: string): Promise<void> {
    const turn = this.#asked;
    const items = await this.#kept.items(conversationId).catch(() => []);
    const isWanted = turn === this.#asked && this.#state.conversationId === conversationId;
    if (isWanted) this.#tell({ type: "page.shown", id: conversationId, ...recall(items) });
  }

  #tell(event: ServerEvent | LocalEvent): void {
    this.#state = reduce(this.#state, { ...event, atMs: Date.now() });
    if (event.type === "page.failed") this.#drop(event.trouble);
    if (event.type === "page.transport" && event.reason && isLasting(event.reason)) {
      this.#obstacle = event.reason;
    }
    if (this.#state.link !== "open") this.#hush();
    this.#say();
  }

  #say(): void {
    for (const watcher of this.#watchers) watcher();
  }

  #drop(trouble: Trouble): void {
    this.#call = null;
    if (trouble.kind === "key-wrong") this.#options.keys.forget();
  }

  #hush(): void {
    this.levels.user.hear(0);
    this.levels.assistant.hear(0);
  }
}
