/** A conversation that is only played: it stands in one state, and its levels move as speech does. */

import {
  type ConversationState,
  DEFAULT_DEVICES,
  DEFAULT_SETTINGS,
  type DeviceSettings,
  EventLog,
  INITIAL,
  LevelFollower,
  type Settings,
  type Talk,
} from "duologue-client";

export class Actor implements Talk {
  readonly log = new EventLog();
  readonly levels = { user: new LevelFollower(), assistant: new LevelFollower() };
  settings = DEFAULT_SETTINGS;
  devices = DEFAULT_DEVICES;
  #state: ConversationState;
  readonly #watchers = new Set<() => void>();

  constructor(state: ConversationState) {
    this.#state = state;
  }

  get state(): ConversationState {
    return this.#state;
  }

  /** Syllables, four a second. */
  speak(side: "user" | "assistant"): void {
    const level = this.levels[side];
    setInterval(() => {
      const beat = performance.now() / 1000;
      level.hear(0.02 + 0.12 * Math.abs(Math.sin(4 * Math.PI * beat) * Math.sin(1.3 * beat)));
    }, 40);
  }

  become(change: Partial<ConversationState>): void {
    this.#state = { ...this.#state, ...change };
    for (const watcher of this.#watchers) watcher();
  }

  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  start(): void {
    this.become({ link: "open", trouble: null, transport: "webrtc" });
  }

  async show(conversationId: string): Promise<void> {
    this.become({ conversationId });
  }

  clear(): void {
    this.become(INITIAL);
  }

  end(): void {
    this.become({ link: "ended" });
  }

  unlock(): void {
    this.start();
  }

  say(): void {}

  setMuted(isMuted: boolean): void {
    this.become({ isMuted });
  }

  hold(isHeld: boolean): void {
    this.become({ isMuted: !isHeld });
  }

  configure(settings: Settings): void {
    this.settings = settings;
    this.become({});
  }

  useDevices(devices: DeviceSettings): void {
    this.devices = devices;
    this.become({ isPushToTalk: devices.isPushToTalk });
  }

  approve(id: string, isAllowed: boolean): void {
    const { entries } = this.#state;
    const status = isAllowed ? "running" : "denied";
    this.become({
      entries: entries.map((entry) =>
        entry.id === id && entry.tool ? { ...entry, tool: { ...entry.tool, status } } : entry,
      ),
    });
  }

  remove(id: string): void {
    this.become({ entries: this.#state.entries.filter((entry) => entry.id !== id) });
  }
}
