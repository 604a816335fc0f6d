/** Short, quiet signals, for whoever does not look at the page. */

import { within } from "./output";

export type Tone = "open" | "lost" | "muted" | "unmuted" | "ended" | "error";

// Below speech: a peak of -30 dBFS.
const PEAK = 10 ** (-30 / 20);
const NOTE_S = 0.06;
const RAMP_S = 0.02;

// Hz. Upwards is good news; what is muted is a single note.
const NOTES: Record<Tone, readonly number[]> = {
  open: [523, 784],
  unmuted: [659],
  muted: [440],
  ended: [784, 523],
  lost: [523, 392],
  error: [330, 330],
};

export class Tones {
  isOn: boolean;
  readonly #context: AudioContext;
  #volume = 1;

  constructor(context: AudioContext, isOn = true) {
    this.#context = context;
    this.isOn = isOn;
  }

  /** From 0, silent, to 1. */
  setVolume(volume: number): void {
    this.#volume = within(volume);
  }

  /** Resolves when it has sounded; at once where nothing sounds. */
  async play(tone: Tone): Promise<void> {
    if (!this.isOn || this.#volume === 0 || this.#context.state !== "running") return;
    const fromS = this.#context.currentTime;
    const notes = NOTES[tone].map((hz, i) => this.#note(hz, fromS + i * NOTE_S));
    await Promise.all(notes);
  }

  #note(hz: number, fromS: number): Promise<void> {
    const voice = new OscillatorNode(this.#context, { frequency: hz });
    const gain = new GainNode(this.#context, { gain: 0 });
    gain.gain.setValueAtTime(0, fromS);
    gain.gain.linearRampToValueAtTime(PEAK * this.#volume, fromS + RAMP_S);
    gain.gain.setValueAtTime(PEAK * this.#volume, fromS + NOTE_S - RAMP_S);
    gain.gain.linearRampToValueAtTime(0, fromS + NOTE_S);
    voice.connect(gain).connect(this.#context.destination);
    voice.start(fromS);
    voice.stop(fromS + NOTE_S);
    return new Promise((resolve) => {
      voice.onended = () => {
        gain.disconnect();
        resolve();
      };
      // A context that is closed or stopped meanwhile never ends it.
      setTimeout(resolve, 1000 * (2 * NOTE_S + (fromS - this.#context.currentTime)) + 200);
    });
  }
}
