/** Which events are shown. No I/O. */

import type { LoggedEvent } from "duologue-client";

export const GROUPS = ["session", "input", "items", "response", "tools", "own", "errors", "sound"] as const;
export type Group = (typeof GROUPS)[number];

// Many a second, and nothing to read in them.
const SOUND = new Set([
  "input_audio_buffer.append",
  "response.output_audio.delta",
  "duologue.output_audio.played",
]);

/** The first that fits. */
const BEGINNINGS: readonly [string, Group][] = [
  ["error", "errors"],
  ["duologue.", "own"],
  ["response.mcp_call", "tools"],
  ["response.function_call", "tools"],
  ["mcp_", "tools"],
  ["session.", "session"],
  ["transcription_session.", "session"],
  ["rate_limits.", "session"],
  ["input_audio_buffer.", "input"],
  ["conversation.", "items"],
  ["response.", "response"],
  ["output_audio_buffer.", "response"],
];

export function groupOf(type: string): Group {
  if (SOUND.has(type)) return "sound";
  if (type.endsWith(".failed")) return "errors";
  return BEGINNINGS.find(([beginning]) => type.startsWith(beginning))?.[1] ?? "session";
}

export interface Filter {
  text: string;
  from: "both" | LoggedEvent["from"];
  hidden: ReadonlySet<Group>;
}

export const NORMAL_FILTER: Filter = { text: "", from: "both", hidden: new Set<Group>(["sound"]) };

export function filtered(events: readonly LoggedEvent[], { text, from, hidden }: Filter): LoggedEvent[] {
  const wanted = text.trim().toLowerCase();
  return events.filter(
    (each) =>
      (from === "both" || each.from === from) &&
      !hidden.has(groupOf(each.type)) &&
      (wanted === "" || each.type.includes(wanted) || jsonOf(each).toLowerCase().includes(wanted)),
  );
}

const written = new WeakMap<LoggedEvent, string>();

/** On one line. Written once: a filter reads all of them at each letter. */
export function jsonOf(logged: LoggedEvent): string {
  const known = written.get(logged);
  if (known !== undefined) return known;
  const json = JSON.stringify(logged.event);
  written.set(logged, json);
  return json;
}

/** A line for each, with when and which way it went. */
export function asJsonLines(events: readonly LoggedEvent[]): string {
  return events
    .map(({ atMs, from, count, event }) => {
      const line = { at: new Date(atMs).toISOString(), from, ...(count ? { count } : {}), event };
      return `${JSON.stringify(line)}\n`;
    })
    .join("");
}

/** What tells one event from its like, from inside it. */
export function gistOf({ event }: LoggedEvent): string {
  const fields = event as Record<string, unknown>;
  const error = Object(fields.error) as Record<string, unknown>;
  const response = Object(fields.response) as Record<string, unknown>;
  const item = Object(fields.item) as Record<string, unknown>;
  const candidates = [
    error.message,
    fields.delta,
    fields.transcript,
    fields.verdict,
    response.status,
    item.type,
    fields.item_id,
    fields.response_id,
  ];
  return (candidates.find((value) => typeof value === "string") as string | undefined) ?? "";
}

/** "14:03:09.120", here. */
export function clockOf(atMs: number): string {
  const at = new Date(atMs);
  const two = (value: number) => `${value}`.padStart(2, "0");
  const ms = `${at.getMilliseconds()}`.padStart(3, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
}
