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

/** One stage of a turn, as a bar from `fromMs` to `toMs`. */
export interface Stage {
  name: StageName;
  fromMs: number;
  toMs: number;
  /** How much of it the user waited for; these add up to the turn's whole time. */
  waitedMs: number;
  /** Whether it was made ahead, behind the wait for the end of the turn: then `waitedMs` is 0. */
  isSpeculative: boolean;
}

/** Until the answer was heard; where the page could not tell, until it was sent. Null: nothing was measured. */
export function totalMs({ server, page }: TurnTiming): number | null {
  return page?.audibleMs ?? server?.sentMs ?? null;
}

/** The stages in order; what was not needed or is not known is absent. */
export function stagesOf(timing: TurnTiming): Stage[] {
  const { server, page } = timing;
  if (!server) return page ? networkStages(page, 0) : [];
  const shiftMs = page?.endEarlierMs ?? 0;
  const committedMs = Math.max(0, server.committedMs + shiftMs);
  const stages: Stage[] = [stage("endpointing", 0, committedMs, committedMs)];
  let [beforeMs, waitedToMs] = [0, committedMs];
  const made: [StageName, number | null][] = [
    ["transcription", server.wordsMs],
    ["first_token", server.textMs],
    ["first_phrase", server.phraseMs],
    ["first_audio", server.spokenMs],
  ];
  for (const [name, atMs] of made) {
    if (atMs === null) continue;
    const toMs = Math.max(beforeMs, atMs + shiftMs);
    stages.push(stage(name, beforeMs, toMs, Math.max(0, toMs - waitedToMs)));
    beforeMs = toMs;
    waitedToMs = Math.max(waitedToMs, toMs);
  }
  if (page) return [...stages, ...networkStages(page, waitedToMs)];
  const sentMs = Math.max(waitedToMs, server.sentMs);
  return [...stages, stage("delivery", waitedToMs, sentMs, sentMs - waitedToMs)];
}

/** What was ready waits here too until it leaves: the server paces what it sends. */
function networkStages({ arrivedMs, audibleMs }: PageTiming, readyMs: number): Stage[] {
  const cameMs = Math.min(Math.max(readyMs, arrivedMs), audibleMs);
  return [
    stage("delivery", readyMs, cameMs, cameMs - readyMs),
    stage("buffer", cameMs, audibleMs, audibleMs - cameMs),
  ];
}

function stage(name: StageName, fromMs: number, toMs: number, waitedMs: number): Stage {
  return { name, fromMs, toMs, waitedMs, isSpeculative: waitedMs === 0 && toMs > fromMs };
}
