/** What the panel says of turns, in numbers. No I/O. */

import {
  type Entries,
  STAGES,
  type Stage,
  type StageName,
  stagesOf,
  type TurnTiming,
  totalMs,
} from "duologue-client";

/** From the end of speech: until the answer is heard, and until the words are known. */
export const TARGET_VOICE_MS = 300;
export const TARGET_WORDS_MS = 500;

/** What was waited for the longest; the earlier of two. Null: nothing was. */
export function slowestOf(stages: readonly Stage[]): Stage | null {
  const longest = stages.reduce<Stage | null>(
    (most, stage) => (stage.waitedMs > (most?.waitedMs ?? 0) ? stage : most),
    null,
  );
  return longest;
}

/** When the words were known, on the clock of the whole turn. */
export function wordsKnownMs(stages: readonly Stage[]): number | null {
  return stages.find(({ name }) => name === "transcription")?.toMs ?? null;
}

/** The smallest value that `share` of all do not exceed. Null where there are none. */
export function quantile(values: readonly number[], share: number): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}

export interface Spread {
  p50: number;
  p95: number;
  count: number;
}

export function spreadOf(values: readonly number[]): Spread | null {
  const [p50, p95] = [quantile(values, 0.5), quantile(values, 0.95)];
  return p50 === null || p95 === null ? null : { p50, p95, count: values.length };
}

/** Whose figures are counted: this page's end when the answer is heard, the server's when it is sent. */
export type Source = "page" | "server";

/** The page's, where it has any of spoken turns: they are what the person waited. */
export function sourceOf(timings: readonly TurnTiming[]): Source {
  return timings.some(({ page, server }) => page && server) ? "page" : "server";
}

/** The server times spoken turns only, and only there can the page put the end of speech elsewhere. */
export function isTyped({ page, server }: TurnTiming): boolean {
  return !server && page?.endEarlierMs === 0;
}

export interface Summary {
  /** Of all below but `sent`, and of spoken turns alone: figures of the other source are not among them. */
  source: Source;
  stages: { name: StageName; spread: Spread; share: number }[];
  total: Spread | null;
  words: Spread | null;
  /** By the server, of all that it told of. */
  sent: Spread | null;
  /** How many were within their targets. */
  totalsMet: number;
  wordsMet: number;
}

export function summaryOf(timings: readonly TurnTiming[]): Summary {
  const source = sourceOf(timings);
  const turns = timings
    .filter((timing) => timing.server && timing[source])
    .map((timing) => ({ timing, stages: stagesOf(timing) }));
  const totals = known(turns.map(({ timing }) => totalMs(timing)));
  const words = known(turns.map(({ stages }) => wordsKnownMs(stages)));
  return {
    source,
    stages: spreadsOf(turns.map(({ stages }) => stages)),
    sent: spreadOf(timings.flatMap(({ server }) => (server ? [Math.round(server.sentMs)] : []))),
    words: spreadOf(words),
    total: spreadOf(totals),
    totalsMet: totals.filter((ms) => ms <= TARGET_VOICE_MS).length,
    wordsMet: words.filter((ms) => ms <= TARGET_WORDS_MS).length,
  };
}

/** `share`: of all that was waited for in these turns. */
function spreadsOf(turns: readonly (readonly Stage[])[]): Summary["stages"] {
  const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);
  const allMs = sum(turns.flat().map(({ waitedMs }) => waitedMs));
  return STAGES.flatMap((name) => {
    const waits = turns.flatMap((stages) => stages.filter((stage) => stage.name === name));
    const waitedMs = waits.map((stage) => stage.waitedMs);
    const spread = spreadOf(waitedMs);
    return spread ? [{ name, spread, share: allMs > 0 ? sum(waitedMs) / allMs : 0 }] : [];
  });
}

function known(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null);
}

/** The parts add up to `pageMs - serverMs`. */
export interface Difference {
  pageMs: number;
  serverMs: number;
  endEarlierMs: number;
  networkMs: number;
  bufferMs: number;
}

export function differenceOf(timing: TurnTiming): Difference | null {
  const { server, page } = timing;
  const pageMs = totalMs(timing);
  if (!server || !page || pageMs === null) return null;
  const serverMs = Math.round(server.sentMs);
  const endEarlierMs = Math.round(page.endEarlierMs);
  const bufferMs = pageMs - Math.round(page.arrivedMs);
  return {
    pageMs,
    serverMs,
    endEarlierMs,
    bufferMs,
    networkMs: pageMs - serverMs - endEarlierMs - bufferMs,
  };
}

/** Told after a reload: what the page measured is not kept, so the turn goes by the answer's item, not by a reply. */
export function isRestored({ replyId }: TurnTiming, entries: Entries): boolean {
  return entries.some(({ id }) => id === replyId);
}

// Room above the targets, so that their lines are not the chart's edge.
const LEAST_TOP_MS = 600;
// One turn of 10 s must not make slivers of the rest.
const USUAL_SHARE = 0.75;
const TOP_TO_USUAL = 1.5;

/** Where a chart of these turns ends: its longest turn, unless that is far from usual. Then it is cut off. */
export function topOf(totals: readonly number[]): number {
  const usualMs = quantile(totals, USUAL_SHARE) ?? 0;
  const mostMs = Math.max(0, ...totals);
  const topMs = Math.max(LEAST_TOP_MS, Math.min(mostMs, TOP_TO_USUAL * usualMs));
  const stepMs = stepOf(topMs, 10);
  return Math.ceil(topMs / stepMs) * stepMs;
}

/** Ticks at round numbers, at most `most` besides 0. */
export function ticksOf(topMs: number, most: number): number[] {
  const stepMs = stepOf(topMs, most);
  return Array.from({ length: Math.floor(topMs / stepMs) + 1 }, (_, i) => i * stepMs);
}

function stepOf(topMs: number, most: number): number {
  for (let power = 10; ; power *= 10) {
    for (const times of [1, 2, 5]) if (topMs / (times * power) <= most) return times * power;
  }
}
