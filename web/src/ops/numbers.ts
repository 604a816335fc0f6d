/** Numbers as people read them. */

import { words } from "../words";
import type { Admission } from "./wire";

export const NONE = "–";

export function ms(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  if (value >= 10_000) return `${Math.round(value / 1000)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return value >= 10 || value === 0 ? `${Math.round(value)} ms` : `${value.toFixed(1)} ms`;
}

export function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

export interface Bin {
  label: string;
  count: number;
  /** Of the largest bin, from 0 to 1. */
  share: number;
}

/** Batch sizes in bins that double: 1, 2, 3-4, 5-8 and so on, up to the largest that was seen. */
export function bins(batches: Record<string, number>): Bin[] {
  const counts: number[] = [];
  for (const [size, count] of Object.entries(batches)) {
    const bin = Math.max(0, Math.ceil(Math.log2(Number(size))));
    counts[bin] = (counts[bin] ?? 0) + count;
  }
  const filled = Array.from(counts, (count) => count ?? 0);
  const most = Math.max(1, ...filled);
  return filled.map((count, i) => ({ label: range(i), count, share: count / most }));
}

function range(bin: number): string {
  const last = 2 ** bin;
  return bin < 2 ? `${last}` : `${last / 2 + 1}–${last}`;
}

/** What becomes of who comes now, and why. */
export function newcomers({ closed_by, waiting, most_waiting }: Admission): string {
  const { getIn, refusedFor, waitFor, closedBy } = words.ops;
  if (closed_by === "") return getIn;
  const isRefused = closed_by === "warming_up" || waiting >= most_waiting;
  return (isRefused ? refusedFor : waitFor)(closedBy[closed_by]);
}

/** "session_limit_reached" as words. */
export function spelt(code: string): string {
  return code.replaceAll("_", " ") || words.ops.noReason;
}
