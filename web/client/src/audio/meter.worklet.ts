/** How loud a stream is, every 20 ms. */

import { AUDIBLE, rms } from "./level";
import { METER, type Metered, type ToTap } from "./messages";

class Meter extends AudioWorkletProcessor {
  readonly #block = new Float32Array(Math.round(0.02 * sampleRate));
  #filled = 0;
  #isOpen = true;

  constructor() {
    super();
    this.port.onmessage = (_close: MessageEvent<ToTap>) => {
      this.#isOpen = false;
    };
  }

  override process(inputs: Float32Array[][]): boolean {
    const channel = inputs[0]?.[0];
    if (channel) this.#gather(channel);
    return this.#isOpen;
  }

  #gather(samples: Float32Array): void {
    for (const sample of samples) {
      this.#block[this.#filled++] = sample;
      if (this.#filled === this.#block.length) this.#say();
    }
  }

  #say(): void {
    const loudness = rms(this.#block);
    const message: Metered = { rms: loudness, endS: currentTime, onsetS: this.#onsetS(loudness) };
    this.port.postMessage(message);
    this.#filled = 0;
  }

  #onsetS(loudness: number): number | null {
    if (loudness < AUDIBLE) return null;
    const first = this.#block.findIndex((sample) => Math.abs(sample) > AUDIBLE);
    return currentTime - (this.#block.length - first) / sampleRate;
  }
}

registerProcessor(METER, Meter);
