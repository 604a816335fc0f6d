/** Listens to a stream in 20 ms pieces, with samples (`Capture`) or only as loudness (`Meter`). */

import captureUrl from "./capture.worklet?worker&url";
import { CAPTURE, type Captured, METER, type Metered, type ToTap } from "./messages";
import meterUrl from "./meter.worklet?worker&url";

/** Closes a tap; the stream goes on. */
export type Close = () => void;

/** 24 kHz mono s16, ready to be sent. */
export async function capture(
  context: AudioContext,
  stream: MediaStream,
  hear: (block: Captured) => void,
): Promise<Close> {
  await context.audioWorklet.addModule(captureUrl);
  return tap<Captured>(context, stream, CAPTURE, hear);
}

export async function loadMeter(context: AudioContext): Promise<void> {
  await context.audioWorklet.addModule(meterUrl);
}

/** Call after `loadMeter`. */
export function meter(context: AudioContext, stream: MediaStream, hear: (level: Metered) => void): Close {
  return tap<Metered>(context, stream, METER, hear);
}

function tap<Message>(
  context: AudioContext,
  stream: MediaStream,
  worklet: string,
  hear: (message: Message) => void,
): Close {
  const source = context.createMediaStreamSource(stream);
  const node = new AudioWorkletNode(context, worklet, { channelCount: 1, channelCountMode: "explicit" });
  node.port.onmessage = ({ data }: MessageEvent<Message>) => hear(data);
  // A node that leads nowhere may not be run at all; this one's output is silence.
  source.connect(node).connect(context.destination);
  return () => {
    node.port.onmessage = null;
    node.port.postMessage("close" satisfies ToTap);
    source.disconnect();
    node.disconnect();
  };
}
