/** The conversation that the page shows: its state, and the call it may be in. */

import { LevelFollower } from "../audio/level";
import { Call } from "./call";
import type { ServerEvent } from "./events";
import { type FallbackReason, firstChoice, isLasting } from "./fallback";
import type { KeyRing } from "./key";
import { EventLog } from "./log";
import { DEFAULT_DEVICES, DEFAULT_SETTINGS, type DeviceSettings, type Settings } from "./settings";
import { type ConversationState, INITIAL, type LocalEvent, reduce } from "./state";
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
  /** Within a user's gesture. */
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
  settings: Settings = DEFAULT_SETTINGS;
  devices: DeviceSettings = DEFAULT_DEVICES;
  readonly levels = { user: new LevelFollower(), assistant: new LevelFollower() };
  readonly #options: ConversationOptions;
  readonly #watchers = new Set<() => void>();
  #state = INITIAL;
  #call: Call | null = null;
  /** Why this page cannot use WebRTC, once it is known. */
  #obstacle: FallbackReason | null = null;

  constructor(options: ConversationOptions) {
    this.#options = options;
  }

  get state(): ConversationState {
    return this.#state;
  }

  /** Calls `watcher` after every change; returns how to stop that. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  start({ hasMicrophone = true }: StartOptions = {}): void {
    this.#call?.hangUp();
    this.#tell({ type: "page.connecting", hasMicrophone });
    const { base, keys, asked } = this.#options;
    const call: Call = new Call({
      base,
      key: keys.key,
      hasMicrophone,
      choice: firstChoice(asked, "RTCPeerConnection" in globalThis, this.#obstacle),
      isForced: asked !== null,
      history: () => this.#state.entries,
      // A call that was hung up may still have news on the way.
      tell: (event) => this.#call === call && this.#tell(event),
      hear: (side, rms) => this.levels[side].hear(rms),
    });
    this.#call = call;
    void call.start();
  }

  /** Tries again with a key that the user gave, as the user meant to go on: with the microphone or without. */
  unlock(key: string): void {
    this.#options.keys.keep(key);
    this.start({ hasMicrophone: this.#state.hasMicrophone });
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

  async show(_conversationId: string): Promise<void> {}
  clear(): void {}
  setMuted(_isMuted: boolean): void {}
  hold(_isHeld: boolean): void {}
  configure(settings: Settings): void {
    this.settings = settings;
  }
  useDevices(devices: DeviceSettings): void {
    this.devices = devices;
  }
  approve(_id: string, _isAllowed: boolean): void {}
  remove(_id: string): void {}

  #tell(event: ServerEvent | LocalEvent): void {
    this.#state = reduce(this.#state, event);
    if (event.type === "page.failed") this.#drop(event.trouble);
    if (event.type === "page.transport" && event.reason && isLasting(event.reason)) {
      this.#obstacle = event.reason;
    }
    if (this.#state.link !== "open") this.#hush();
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
