/** Plays the sound of a peer connection. */

import { route, within } from "./output";

export class RemoteVoice {
  readonly #element = new Audio();
  readonly #stream = new MediaStream();

  /** Make it within a user's gesture: what plays then may go on playing when the sound arrives. */
  constructor() {
    // An element, not the audio graph: browsers keep a call's own sound in step and out of the microphone.
    this.#element.srcObject = this.#stream;
    this.#play();
  }

  add(track: MediaStreamTrack): void {
    this.#stream.addTrack(track);
    this.#play();
  }

  /** From 0, silent, to 1. On iOS the phone's own keys alone decide. */
  setVolume(volume: number): void {
    this.#element.volume = within(volume);
  }

  /** Plays on a device; null for the default one. Rejects where it cannot be used: then it plays where it did. */
  setSink(deviceId: string | null): Promise<void> {
    return route(this.#element, deviceId);
  }

  close(): void {
    this.#element.pause();
    this.#element.srcObject = null;
    for (const track of this.#stream.getTracks()) track.stop();
  }

  #play(): void {
    // It rejects when the element is closed before any sound came.
    void this.#element.play().catch(() => {});
  }
}
