/** All turns as a table for other programs (RFC 4180): one line each, times in ms. */

import { type Entries, STAGES, stagesOf, type TurnTiming, totalMs } from "duologue-client";

type Cell = string | number | null;

const HEAD = [
  "answer",
  "at",
  "said",
  "total_ms",
  "heard_ms",
  "sent_ms",
  "end_earlier_ms",
  ...STAGES.flatMap((name) => [`${name}_from_ms`, `${name}_to_ms`, `${name}_waited_ms`]),
  "dropped_attempts",
  "dropped_engine_ms",
];

export function asCsv(timings: readonly TurnTiming[], entries: Entries): string {
  const lines = timings.map((timing, i) => lineOf(timing, i + 1, saidIn(entries, timing)));
  return [HEAD, ...lines].map((cells) => `${cells.map(quoted).join(",")}\r\n`).join("");
}

export function saidIn(entries: Entries, { itemId }: TurnTiming): string {
  return entries.find(({ id, role }) => id === itemId && role === "user")?.text.trim() ?? "";
}

function lineOf(timing: TurnTiming, number: number, said: string): Cell[] {
  const stages = new Map(stagesOf(timing).map((stage) => [stage.name, stage]));
  const { page, server } = timing;
  return [
    number,
    new Date(timing.atMs).toISOString(),
    said,
    totalMs(timing),
    page && Math.round(page.audibleMs),
    server && Math.round(server.sentMs),
    page && Math.round(page.endEarlierMs),
    ...STAGES.flatMap((name) => {
      const stage = stages.get(name);
      return stage ? [stage.fromMs, stage.toMs, stage.waitedMs] : [null, null, null];
    }),
    timing.dropped,
    Math.round(timing.droppedMs),
  ];
}

/** Words that a spreadsheet would take for a formula get an apostrophe. */
function quoted(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell === "number") return `${cell}`;
  const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
