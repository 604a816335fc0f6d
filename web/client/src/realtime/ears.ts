/** The microphone of a call: opened, muted, changed for another, and lent to whatever sends it. */

import { Microphone } from "../audio/microphone";

export interface EarsEvents {
  /** The microphone went away, and the default one has taken its place. */
  switched(stream: MediaStream): void;
  /** It went away, and there is no other. */
  lost(): void;
}

export class Ears {
  readonly #events: EarsEvents;
  #microphone: Microphone | null = null;
  #isMuted: boolean;
  #isClosed = false;

  constructor(isMuted: boolean, events: EarsEvents) {
    this.#isMuted = isMuted;
    this.#events = events;
  }

  /** Null while there is no microphone. */
  get stream(): MediaStream | null {
    return this.#microphone?.stream ?? null;
  }

  /** Whether it is the one that was asked for; the default one otherwise. */
  get isAsked(): boolean {
    return this.#microphone?.isAsked ?? true;
  }

  /** Opens a microphone, null for the default one, in place of the one before. Rejects with what the browser threw. */
  async open(deviceId: string | null): Promise<MediaStream> {
    this.#isClosed = false;
    const microphone = await Microphone.open(() => void this.#replace(microphone), deviceId);
    this.#microphone?.close();
    this.#microphone = microphone;
    microphone.setMuted(this.#isMuted);
    // It may have been closed while the browser was still asking.
    if (this.#isClosed) this.close();
    return microphone.stream;
  }

  /** Silence goes out in its place. */
  setMuted(isMuted: boolean): void {
    this.#isMuted = isMuted;
    this.#microphone?.setMuted(isMuted);
  }

  close(): void {
    this.#isClosed = true;
    this.#microphone?.close();
    this.#microphone = null;
  }

  async #replace(gone: Microphone): Promise<void> {
    if (this.#microphone !== gone) return;
    try {
      const stream = await this.open(null);
      if (!this.#isClosed) this.#events.switched(stream);
    } catch {
      if (!this.#isClosed) this.#events.lost();
    }
  }
}
