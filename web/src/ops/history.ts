/** The last five minutes, kept in the page: the server remembers none of it. No I/O. */

import type { OpsState } from "./wire";

export const SPAN_S = 300;

export interface Sample {
  atS: number;
  sessions: number;
  voiceMs: number | null;
  lagMs: number;
}

export type Figure = Exclude<keyof Sample, "atS">;

export function sampleOf(state: OpsState, atS: number): Sample {
  return {
    atS,
    sessions: state.sessions.length,
    voiceMs: state.stages.voice_to_voice?.p95_ms ?? null,
    lagMs: state.load.loop_lag_p95_ms,
  };
}

/** `samples` with one more, and without those that are too old. */
export function remember(samples: readonly Sample[], sample: Sample): Sample[] {
  const first = samples.findIndex(({ atS }) => atS > sample.atS - SPAN_S);
  return [...(first < 0 ? [] : samples.slice(first)), sample];
}

/**
 * A figure as lines of an SVG, in a box of `width` by `height`: the right edge is now. Where nothing was known, or
 * nobody asked, there is a gap.
 */
export function lines(samples: readonly Sample[], figure: Figure, width: number, height: number): string[] {
  const nowS = samples.at(-1)?.atS ?? 0;
  const most = Math.max(topOf(samples, figure), 1e-9);
  const runs: string[][] = [];
  let beforeS = Number.NEGATIVE_INFINITY;
  for (const sample of samples) {
    const value = sample[figure];
    if (value === null) {
      beforeS = Number.NEGATIVE_INFINITY;
      continue;
    }
    if (sample.atS - beforeS > GAP_S) runs.push([]);
    beforeS = sample.atS;
    const x = width * (1 - (nowS - sample.atS) / SPAN_S);
    runs.at(-1)?.push(`${x.toFixed(1)},${(height * (1 - value / most)).toFixed(1)}`);
  }
  return runs.map((run) => run.join(" "));
}

/** The largest of a figure; the top of its picture. */
export function topOf(samples: readonly Sample[], figure: Figure): number {
  return Math.max(0, ...samples.map((sample) => sample[figure] ?? 0));
}

// A tab in the background may be asked once a minute; a server that is away gives nothing.
const GAP_S = 70;
