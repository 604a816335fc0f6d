/** The microphone as a stream of 20 ms blocks. */

import captureUrl from "./capture.worklet?worker&url";
import { CAPTURE, type Captured } from "./messages";

export class Microphone {
  readonly #stream: MediaStream;
  readonly #source: MediaStreamAudioSourceNode;
  readonly #node: AudioWorkletNode;

  /** Asks for the microphone. Rejects with the browser's DOMException (NotAllowedError, NotFoundError, ...). */
  static async open(
    context: AudioContext,
    hear: (block: Captured) => void,
    lost: () => void,
  ): Promise<Microphone> {
    // The module first: should it fail, no microphone stays switched on.
    await context.audioWorklet.addModule(captureUrl);
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
    return new Microphone(context, stream, hear, lost);
  }

  private constructor(
    context: AudioContext,
    stream: MediaStream,
    hear: (block: Captured) => void,
    lost: () => void,
  ) {
    this.#stream = stream;
    this.#source = context.createMediaStreamSource(stream);
    this.#node = new AudioWorkletNode(context, CAPTURE, { channelCount: 1, channelCountMode: "explicit" });
    this.#node.port.onmessage = ({ data }: MessageEvent<Captured>) => hear(data);
    // A node that leads nowhere may not be run at all; this one's output is silence.
    this.#source.connect(this.#node).connect(context.destination);
    for (const track of stream.getAudioTracks()) track.onended = lost;
  }

  close(): void {
    this.#node.port.onmessage = null;
    this.#source.disconnect();
    this.#node.disconnect();
    for (const track of this.#stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
  }
}
