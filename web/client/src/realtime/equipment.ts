/** What a call has of this device: microphone, speaker, tones, and a screen that stays on. */

import { keepRunning } from "../audio/context";
import type { Close } from "../audio/tap";
import { type Tone, Tones } from "../audio/tones";
import { loadWorklets } from "../audio/worklets";
import { Ears } from "./ears";
import type { DeviceSettings } from "./settings";
import type { DeviceNotice, LocalEvent } from "./state";
import type { Transport } from "./transport";
import { TroubleError } from "./trouble";

export interface EquipmentOptions {
  hasMicrophone: boolean;
  isMuted: boolean;
  devices: DeviceSettings;
  tell(event: LocalEvent): void;
  /** Another microphone is to be sent from here on. Rejects with what the browser threw. */
  switched(stream: MediaStream): Promise<void>;
  /** There is no microphone any more. */
  lost(): void;
}

/** Make it within a user's gesture, or the browser plays nothing. */
export class Equipment {
  readonly context = new AudioContext({ latencyHint: "interactive" });
  readonly #options: EquipmentOptions;
  readonly #tones: Tones;
  readonly #ears: Ears;
  readonly #stopWatching: Close;
  readonly #resumed: Promise<void>;
  #devices: DeviceSettings;
  #wakeLock: Promise<WakeLockSentinel | null> | null = null;
  #isClosed = false;

  constructor(options: EquipmentOptions) {
    const { devices, isMuted, tell, lost } = options;
    this.#options = options;
    this.#devices = devices;
    this.#resumed = this.context.resume();
    this.#tones = new Tones(this.context, devices.hasTones);
    this.#tones.setVolume(devices.volume);
    this.#ears = new Ears(isMuted, {
      switched: (stream) => void this.#offer(stream, "microphone-switched"),
      lost,
    });
    this.#stopWatching = keepRunning(this.context, (isSilenced) =>
      tell({ type: "page.silenced", isSilenced }),
    );
  }

  /** Null while there is no microphone. */
  get stream(): MediaStream | null {
    return this.#ears.stream;
  }

  /** Resolves when all that plays and listens is here. */
  async load(): Promise<void> {
    try {
      await loadWorklets(this.context);
    } catch (error) {
      // Whoever hung up closed the context.
      if (this.#isClosed) return;
      throw isUnfetched(error) ? new TroubleError("server-away") : error;
    }
  }

  /** Resolves when there is sound both ways. Rejects with what the browser threw. */
  async open(): Promise<void> {
    if (!this.#options.hasMicrophone || this.#isClosed) return;
    await this.#ears.open(this.#devices.microphoneId);
    if (!this.#ears.isAsked) this.#tell("microphone-failed");
    // The page may have hung up while the browser was still asking.
    if (this.#isClosed) this.#ears.close();
    await this.#resumed;
  }

  /** While nobody is to hear. `open` ends it. */
  stopListening(): void {
    this.#ears.close();
  }

  setMuted(isMuted: boolean): void {
    this.#ears.setMuted(isMuted);
  }

  play(tone: Tone): void {
    void this.#tones.play(tone);
  }

  /** A phone that falls asleep takes the microphone with it. */
  stayAwake(): void {
    this.#wakeLock ??= stayAwake();
  }

  /** Sets a transport that was just made to what is chosen. */
  async fit(transport: Transport): Promise<void> {
    transport.setVolume(this.#devices.volume);
    if (this.#devices.speakerId !== null) await this.#setSink(transport);
  }

  async use(devices: DeviceSettings, transport: Transport | null): Promise<void> {
    const before = this.#devices;
    this.#devices = devices;
    this.#tell(null);
    this.#tones.isOn = devices.hasTones;
    this.#tones.setVolume(devices.volume);
    transport?.setVolume(devices.volume);
    if (devices.speakerId !== before.speakerId && transport) await this.#setSink(transport);
    if (devices.microphoneId !== before.microphoneId && this.#ears.stream) await this.#changeMicrophone();
  }

  /** `tone`: what is heard of it, if anything. */
  close(tone: Tone | null): void {
    this.#isClosed = true;
    this.#stopWatching();
    this.#ears.close();
    void this.#wakeLock?.then((lock) => lock?.release());
    void this.#fallSilent(tone);
  }

  async #fallSilent(tone: Tone | null): Promise<void> {
    if (tone) await this.#tones.play(tone);
    await this.context.close();
  }

  async #changeMicrophone(): Promise<void> {
    try {
      const stream = await this.#ears.open(this.#devices.microphoneId);
      await this.#offer(stream, this.#ears.isAsked ? null : "microphone-failed");
    } catch {
      this.#tell("microphone-failed");
    }
  }

  async #offer(stream: MediaStream, notice: DeviceNotice | null): Promise<void> {
    try {
      await this.#options.switched(stream);
      if (notice) this.#tell(notice);
    } catch {
      this.#tell("microphone-failed");
    }
  }

  async #setSink(transport: Transport): Promise<void> {
    try {
      await transport.setSink(this.#devices.speakerId);
    } catch {
      this.#tell("speaker-failed");
    }
  }

  #tell(notice: DeviceNotice | null): void {
    if (!this.#isClosed) this.#options.tell({ type: "page.device", notice });
  }
}

function isUnfetched(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** Where staying awake is refused, talk goes on. */
async function stayAwake(): Promise<WakeLockSentinel | null> {
  try {
    return (await navigator.wakeLock?.request("screen")) ?? null;
  } catch {
    return null;
  }
}
