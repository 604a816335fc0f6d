/** Plays items in order; can fall silent at once and tell what was heard. */

import { type FromPlayback, PLAYBACK, type ToPlayback } from "./messages";
import { glide, type Routed, route } from "./output";
import { samplesToMs, toFloat, WIRE_HZ } from "./pcm";
import playbackUrl from "./playback.worklet?worker&url";

// By then the device has sounded the 5 ms of fade, or nearly: it may be some 10 ms behind.
const FADED_MS = 50;

export interface Heard {
  itemId: string;
  ms: number;
}

export interface SpeakerEvents {
  heard(heard: Heard, rms: number): void;
  /** Its first sound leaves the speaker, on the audio clock. */
  audible(itemId: string, atS: number): void;
  drained(): void;
}

export class Speaker {
  readonly #context: AudioContext;
  readonly #node: AudioWorkletNode;
  readonly #events: SpeakerEvents;
  readonly #gain: GainNode;
  readonly #flushes = new Map<number, (cut: Heard[]) => void>();
  #ticket = 0;

  static async open(context: AudioContext, events: SpeakerEvents): Promise<Speaker> {
    await context.audioWorklet.addModule(playbackUrl);
    return new Speaker(context, events);
  }

  private constructor(context: AudioContext, events: SpeakerEvents) {
    this.#context = context;
    this.#events = events;
    this.#node = new AudioWorkletNode(context, PLAYBACK, { numberOfInputs: 0, outputChannelCount: [1] });
    this.#node.port.onmessage = ({ data }: MessageEvent<FromPlayback>) => this.#take(data);
    this.#gain = new GainNode(context);
    this.#node.connect(this.#gain).connect(context.destination);
  }

  play(replyId: string, itemId: string, samples: Int16Array): void {
    const floats = toFloat(samples);
    this.#tell({ kind: "push", replyId, itemId, samples: floats }, [floats.buffer]);
  }

  end(itemId: string): void {
    this.#tell({ kind: "end", itemId });
  }

  /** Plays on, where it was held from its place, each sample times `gain`. */
  lower(replyId: string, gain: number): void {
    this.#tell({ kind: "lower", replyId, gain });
  }

  /** Falls silent, and keeps its place. */
  hold(replyId: string): void {
    this.#tell({ kind: "hold", replyId });
  }

  /** As loud as ever, from the very sample that was next. */
  resume(replyId: string): void {
    this.#tell({ kind: "resume", replyId });
  }

  /** Silences at once; resolves to the items that were under way or waiting and how much of each was heard. */
  flush(): Promise<Heard[]> {
    const ticket = ++this.#ticket;
    return new Promise((resolve) => {
      this.#flushes.set(ticket, resolve);
      this.#tell({ kind: "flush", ticket });
    });
  }

  /** From 0, silent, to 1; without a click. */
  setVolume(volume: number): void {
    glide(this.#gain.gain, volume, this.#context.currentTime);
  }

  /** Plays on a device, as does all else in its context; null for the default one. Rejects where it cannot be used. */
  setSink(deviceId: string | null): Promise<void> {
    return route(this.#context as AudioContext & Routed, deviceId);
  }

  /** Falls silent as `flush` does, and is no more. */
  close(): void {
    this.#node.port.onmessage = null;
    this.#tell({ kind: "close" });
    setTimeout(() => {
      this.#node.disconnect();
      this.#gain.disconnect();
    }, FADED_MS);
    for (const resolve of this.#flushes.values()) resolve([]);
  }

  #take(message: FromPlayback): void {
    if (message.kind === "played") this.#events.heard(this.#heard(message.played), message.rms);
    else if (message.kind === "audible") this.#events.audible(message.itemId, message.atS + this.#lagS);
    else if (message.kind === "drained") this.#events.drained();
    else {
      this.#flushes.get(message.ticket)?.(message.cut.map((played) => this.#heard(played)));
      this.#flushes.delete(message.ticket);
    }
  }

  /** Samples that the device has not sounded yet were rendered, but not heard. */
  #heard(played: { itemId: string; samples: number }): Heard {
    const samples = Math.max(0, played.samples - this.#lagS * WIRE_HZ);
    return { itemId: played.itemId, ms: Math.round(samplesToMs(samples)) };
  }

  /** How long the device takes to sound what it was given, in ms. */
  get lagMs(): number {
    return this.#lagS * 1000;
  }

  get #lagS(): number {
    return this.#context.outputLatency || 0;
  }

  #tell(message: ToPlayback, transfer: Transferable[] = []): void {
    this.#node.port.postMessage(message, transfer);
  }
}
