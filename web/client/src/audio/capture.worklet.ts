/** Microphone, at the device's own rate, to 20 ms blocks of 24 kHz mono s16. */

import { rms } from "./level";
import { CAPTURE, type Captured, type ToTap } from "./messages";
import { toInt16, WIRE_HZ } from "./pcm";
import { Resampler } from "./resample";

const BLOCK_SAMPLES = 0.02 * WIRE_HZ;

class Capture extends AudioWorkletProcessor {
  readonly #resampler = new Resampler(sampleRate, WIRE_HZ);
  readonly #block = new Float32Array(BLOCK_SAMPLES);
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
    if (channel) this.#gather(this.#resampler.process(channel));
    return this.#isOpen;
  }

  #gather(samples: Float32Array): void {
    for (const sample of samples) {
      this.#block[this.#filled++] = sample;
      if (this.#filled === BLOCK_SAMPLES) this.#send();
    }
  }

  #send(): void {
    const samples = toInt16(this.#block);
    const message: Captured = { samples, rms: rms(this.#block), endS: currentTime };
    this.port.postMessage(message, [samples.buffer]);
    this.#filled = 0;
  }
}

registerProcessor(CAPTURE, Capture);
