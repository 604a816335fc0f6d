/** An answer on its way through a bad network, and what is heard of it. */

import { WIRE_HZ } from "../src/audio/pcm";
import { PlaybackBuffer } from "../src/audio/playback-buffer";
import { Resampler } from "../src/audio/resample";

// As the server sends: pieces of 100 ms, as fast as they are made, at most 2 s ahead of the hearing.
const PIECE_MS = 100;
const LEAD_MS = 2000;
const BLOCK = 128;

export interface Network {
  /** Each piece takes from 0 to so much longer, and none overtakes another. */
  jitterMs: number;
  /** Nothing arrives for `ms` from `atMs` after the first piece on. */
  stall: { atMs: number; ms: number };
}

export interface Heard {
  /** What went into the resampler, from the first sample of the answer on. */
  played: Float32Array;
  /** What came out, from the start on. */
  rendered: Float32Array;
}

/** Never silent, and smooth: 5 ms of it have something of every phase. */
export function voice(seconds: number): Float32Array {
  return Float32Array.from({ length: seconds * WIRE_HZ }, (_, i) => {
    const t = i / WIRE_HZ;
    const loud = 0.3 + 0.2 * Math.sin(2 * Math.PI * 3 * t);
    return loud * Math.sin(2 * Math.PI * (180 * t + 4 * Math.sin(2 * Math.PI * 2 * t)) + 0.5) + 1e-6;
  });
}

/** `share`: the time that a voice takes for a second of sound. */
export function hear(source: Float32Array, share: number, network: Network, hz: number, seed: number): Heard {
  const pieces = arrivals(source, share, network, random(seed));
  const buffer = new PlaybackBuffer();
  const resampler = new Resampler(WIRE_HZ, hz);
  const endMs = (source.length / WIRE_HZ) * 1000 * Math.max(1, share) + 1000;
  const [played, rendered]: [number[], number[]] = [[], []];
  for (let frame = 0; (frame / hz) * 1000 < endMs; frame += BLOCK) {
    while (pieces[0] && pieces[0].atMs <= (frame / hz) * 1000) {
      buffer.push("reply", "item", pieces[0].samples);
      pieces.shift();
      if (pieces.length === 0) buffer.end("item");
    }
    const input = new Float32Array(resampler.needed(BLOCK));
    buffer.pull(input);
    played.push(...input);
    rendered.push(...resampler.process(input, BLOCK));
  }
  const first = played.findIndex((sample) => sample !== 0);
  return { played: Float32Array.from(played.slice(first)), rendered: Float32Array.from(rendered) };
}

function arrivals(source: Float32Array, share: number, { jitterMs, stall }: Network, next: () => number) {
  const size = (PIECE_MS * WIRE_HZ) / 1000;
  let lastMs = 0;
  return Array.from({ length: Math.ceil(source.length / size) }, (_, i) => {
    const sentMs = i * PIECE_MS * Math.max(share, 0.01);
    const pacedMs = Math.max(sentMs, (i + 1) * PIECE_MS - LEAD_MS);
    const cameMs = pacedMs + jitterMs * next();
    const isStalled = i > 0 && cameMs >= stall.atMs && cameMs < stall.atMs + stall.ms;
    lastMs = Math.max(lastMs, isStalled ? stall.atMs + stall.ms : cameMs);
    return { atMs: lastMs, samples: source.slice(i * size, (i + 1) * size) };
  });
}

/** Numbers from 0 to 1, the same for each seed. Park and Miller's generator. */
export function random(seed: number): () => number {
  let state = seed + 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** The greatest step between neighbours. */
export function step(samples: Float32Array): number {
  let most = 0;
  for (let i = 1; i < samples.length; i++) {
    most = Math.max(most, Math.abs((samples[i] as number) - (samples[i - 1] as number)));
  }
  return most;
}

/** Stretches of exact silence between the first sample and the last, in ms. */
export function pausesMs(samples: Float32Array, hz: number): number[] {
  const pauses: number[] = [];
  let since = -1;
  const last = samples.findLastIndex((sample) => sample !== 0);
  for (let i = 0; i <= last; i++) {
    if (samples[i] === 0 && since < 0) since = i;
    if (samples[i] !== 0 && since >= 0) {
      pauses.push(((i - since) * 1000) / hz);
      since = -1;
    }
  }
  return pauses;
}
