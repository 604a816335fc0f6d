/** Plays the buffer at the device's rate, and reports what was really played. */

import { AUDIBLE, rms } from "./level";
import { type FromPlayback, PLAYBACK, type ToPlayback } from "./messages";
import { WIRE_HZ } from "./pcm";
import { PlaybackBuffer } from "./playback-buffer";
import { Resampler } from "./resample";

const REPORT_EVERY_S = 0.04;

class Playback extends AudioWorkletProcessor {
  readonly #buffer = new PlaybackBuffer();
  readonly #resampler = new Resampler(WIRE_HZ, sampleRate);
  #isPlaying = false;
  #isClosing = false;
  #audibleItem: string | null = null;
  #reportedS = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<ToPlayback>) => this.#obey(data);
  }

  override process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const out = outputs[0]?.[0];
    if (!out || (!this.#isPlaying && this.#buffer.waitingSamples === 0)) return !this.#isClosing;
    const input = new Float32Array(this.#resampler.needed(out.length));
    const sound = this.#buffer.pull(input);
    out.set(this.#resampler.process(input, out.length));
    this.#report(input, sound, out);
    return true;
  }

  #obey(message: ToPlayback): void {
    if (message.kind === "push") this.#buffer.push(message.replyId, message.itemId, message.samples);
    else if (message.kind === "end") this.#buffer.end(message.itemId);
    else if (message.kind === "lower") this.#buffer.lower(message.replyId, message.gain);
    else if (message.kind === "hold") this.#buffer.hold(message.replyId);
    else if (message.kind === "resume") this.#buffer.resume(message.replyId);
    else if (message.kind === "close") {
      this.#isClosing = true;
      this.#buffer.flush();
    } else this.#say({ kind: "flushed", ticket: message.ticket, cut: this.#buffer.flush() });
  }

  #report(input: Float32Array, sound: number, out: Float32Array): void {
    const played = this.#buffer.current;
    const isEmpty = this.#buffer.waitingSamples === 0 && !this.#buffer.isHeld;
    const hasDrained = sound === 0 && input.length > 0 && isEmpty;
    if (played && (hasDrained || currentTime - this.#reportedS >= REPORT_EVERY_S)) {
      this.#say({ kind: "played", played, rms: rms(out) });
      this.#reportedS = currentTime;
    }
    if (played && played.itemId !== this.#audibleItem) this.#noteAudible(played.itemId, out);
    if (hasDrained && this.#isPlaying) this.#say({ kind: "drained" });
    this.#isPlaying = !hasDrained;
  }

  #noteAudible(itemId: string, out: Float32Array): void {
    const first = out.findIndex((sample) => Math.abs(sample) > AUDIBLE);
    if (first < 0) return;
    this.#audibleItem = itemId;
    this.#say({ kind: "audible", itemId, atS: currentTime + first / sampleRate });
  }

  #say(message: FromPlayback): void {
    this.port.postMessage(message);
  }
}

registerProcessor(PLAYBACK, Playback);
