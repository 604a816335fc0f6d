/** Lets a voice be heard: made by the server, decoded here (a `blob:` address would be refused), one at a time. */

import { bearer } from "duologue-client";

export interface SampleRequest {
  text: string;
  /** Null: the server's own. */
  voice: string | null;
  speed: number;
}

/** `kind` "key": the server wants one; "refused": it made none; "broken": it cannot be played. */
export class SampleTrouble extends Error {
  readonly kind: "key" | "refused" | "broken";

  constructor(kind: SampleTrouble["kind"], message = "") {
    super(message);
    this.kind = kind;
  }
}

export interface Sample {
  /** Resolves when it has been heard, or was stopped; rejects with SampleTrouble. */
  readonly over: Promise<void>;
  stop(): void;
}

// Long enough for the slowest engine on a busy machine.
const PATIENCE_MS = 30_000;

export interface SampleOptions {
  base: string;
  key: string | null;
  volume: number;
  speakerId: string | null;
  /** The sound begins. */
  started(): void;
}

/** Within a user's gesture: the context is made at once. */
export function playSample(request: SampleRequest, options: SampleOptions): Sample {
  const context = new AudioContext();
  const stopped = new AbortController();
  const over = run(context, request, options, stopped.signal).finally(() => context.close());
  return { over, stop: () => stopped.abort() };
}

async function run(
  context: AudioContext,
  request: SampleRequest,
  options: SampleOptions,
  signal: AbortSignal,
): Promise<void> {
  try {
    const bytes = await ask(request, options, AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]));
    await choose(context, options.speakerId);
    const sound = await context.decodeAudioData(bytes);
    if (signal.aborted) return;
    options.started();
    await sounded(context, sound, options.volume, signal);
  } catch (error) {
    if (signal.aborted) return;
    throw error instanceof SampleTrouble ? error : new SampleTrouble("broken", String(error));
  }
}

async function ask(
  { text, voice, speed }: SampleRequest,
  { base, key }: SampleOptions,
  signal: AbortSignal,
): Promise<ArrayBuffer> {
  const answer = await fetch(new URL("v1/audio/speech", base), {
    method: "POST",
    headers: { ...bearer(key), "Content-Type": "application/json" },
    body: JSON.stringify({ model: "tts-1", input: text, voice: voice ?? "", speed, response_format: "wav" }),
    signal,
  }).catch((error) => {
    throw new SampleTrouble("refused", String(error));
  });
  if (answer.ok) return answer.arrayBuffer();
  if (answer.status === 401) throw new SampleTrouble("key");
  const problem = Object(await answer.json().catch(() => null)).error;
  throw new SampleTrouble("refused", String(problem?.message ?? ""));
}

/** The sample comes from where the talk will; a speaker that is gone is no reason to be silent. */
async function choose(context: AudioContext, speakerId: string | null): Promise<void> {
  if (!speakerId || !("setSinkId" in context)) return;
  await (context as AudioContext & { setSinkId(id: string): Promise<void> })
    .setSinkId(speakerId)
    .catch(() => {});
}

function sounded(
  context: AudioContext,
  sound: AudioBuffer,
  volume: number,
  signal: AbortSignal,
): Promise<void> {
  const source = new AudioBufferSourceNode(context, { buffer: sound });
  source.connect(new GainNode(context, { gain: volume })).connect(context.destination);
  signal.addEventListener("abort", () => source.stop());
  return new Promise((resolve) => {
    source.onended = () => resolve();
    source.start();
  });
}
