/**
 * Where the time of a turn went. Moments are ms since the end of the user's speech; what was begun in a pause, while it
 * was not yet known whether the turn was over, may be ready before the wait is. No I/O.
 */

export const STAGES = [
  "endpointing",
  "transcription",
  "first_token",
  "first_phrase",
  "first_audio",
  "delivery",
  "buffer",
] as const;
export type StageName = (typeof STAGES)[number];

/** As the server tells it (`duologue.response.timing`): when each stage was over, by its clock. Null: not known. */
export interface ServerTiming {
  committedMs: number;
  wordsMs: number | null;
  textMs: number | null;
  phraseMs: number | null;
  spokenMs: number | null;
  sentMs: number;
}

/** As this page measured it on its audio clock. */
export interface PageTiming {
  /** By how much the page puts the end of speech earlier (more than 0) than the server does. */
  endEarlierMs: number;
  /** When the answer's first sound came in. */
  arrivedMs: number;
  /** When its first audible sample left the speaker: the whole of the turn. */
  audibleMs: number;
}

export interface TurnTiming {
  replyId: string;
  /** The user's item; null for a reply that answers none. */
  itemId: string | null;
  /** When the answer was begun, ms since the epoch. */
  atMs: number;
  server: ServerTiming | null;
  page: PageTiming | null;
  /** Answers begun in pauses of this turn: of those that were dropped, the engine time that went into them. */
  dropped: number;
  droppedMs: number;
}

/** One stage of a turn, as a bar from `fromMs` to `toMs`. Whole ms. */
export interface Stage {
  name: StageName;
  fromMs: number;
  toMs: number;
  /** How much of it the user waited for: its end. These add up to the turn's whole time. */
  waitedMs: number;
  /** Whether all of it was made ahead, behind the wait for the end of the turn: then `waitedMs` is 0. */
  isSpeculative: boolean;
}

/** Until the answer was heard; where the page could not tell, until it was sent. Null: nothing was measured. */
export function totalMs({ server, page }: TurnTiming): number | null {
  const ms = page?.audibleMs ?? server?.sentMs;
  return ms === undefined ? null : Math.max(0, Math.round(ms));
}

/**
 * The stages in order; what was not needed or is not known is absent. No stage ends after the whole turn: two clocks
 * may differ by a little, and the sum must hold.
 */
export function stagesOf(timing: TurnTiming): Stage[] {
  const most = totalMs(timing);
  if (most === null) return [];
  const { server, page } = timing;
  const shiftMs = page?.endEarlierMs ?? 0;
  const stages: Stage[] = [];
  let [beforeMs, waitedToMs] = [0, 0];
  for (const [name, atMs] of server ? marksOf(server) : []) {
    if (atMs === null) continue;
    const toMs = Math.min(most, Math.max(beforeMs, Math.round(atMs + shiftMs)));
    stages.push(stage(name, beforeMs, toMs, Math.max(0, toMs - waitedToMs)));
    // What was begun in a pause was made beside the wait for the end of the turn, not after it.
    beforeMs = name === "endpointing" ? 0 : toMs;
    waitedToMs = Math.max(waitedToMs, toMs);
  }
  // What was ready waits until it leaves: the server paces what it sends.
  const cameMs = page ? Math.min(most, Math.max(waitedToMs, Math.round(page.arrivedMs))) : most;
  stages.push(stage("delivery", waitedToMs, cameMs, cameMs - waitedToMs));
  return page ? [...stages, stage("buffer", cameMs, most, most - cameMs)] : stages;
}

function marksOf(server: ServerTiming): [StageName, number | null][] {
  return [
    ["endpointing", server.committedMs],
    ["transcription", server.wordsMs],
    ["first_token", server.textMs],
    ["first_phrase", server.phraseMs],
    ["first_audio", server.spokenMs],
  ];
}

function stage(name: StageName, fromMs: number, toMs: number, waitedMs: number): Stage {
  return { name, fromMs, toMs, waitedMs, isSpeculative: waitedMs === 0 && toMs > fromMs };
}
