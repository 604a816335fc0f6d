/** The words of both sides, in order. Every function returns a new list and changes nothing. */

import { heardLength, type SpokenText } from "./heard";

export type Status = "tentative" | "final" | "interrupted";

export type EntryRole = "user" | "assistant" | "tool";

/** A tool that was called, or that asks to be. */
export interface ToolUse {
  name: string;
  /** The MCP server's label; null for a function of the client's. */
  server: string | null;
  /** JSON, as the model wrote it. */
  arguments: string;
  output: string | null;
  failure: string | null;
  /** "asks": it waits for the user's word, to be given with `approve(id, ...)`. */
  status: "running" | "done" | "failed" | "asks" | "denied";
  /** What the result of a function names. */
  callId?: string;
}

export interface Entry extends SpokenText {
  id: string;
  role: EntryRole;
  /** When it was begun, ms since the epoch. */
  atMs: number;
  status: Status;
  /** Whether the answer has sound; one that is only written counts as heard. */
  isSpoken: boolean;
  /** What the server itself keeps of an interrupted answer, once it has said so. */
  kept: string | null;
  /** Of role "tool"; else null. */
  tool: ToolUse | null;
  /** The server keeps how it sounded: `KeptConversations.sound`. */
  hasSound?: boolean;
}

export type Entries = readonly Entry[];

export function newEntry(id: string, role: Entry["role"], more: Partial<Entry> = {}): Entry {
  const silent = { cues: [], audioMs: 0, heardMs: 0, isSpoken: false, hasSound: false };
  return { id, role, atMs: 0, status: "tentative", text: "", kept: null, tool: null, ...silent, ...more };
}

export function edit(entries: Entries, id: string, change: (entry: Entry) => Entry): Entries {
  return entries.map((entry) => (entry.id === id ? change(entry) : entry));
}

/** Adds an empty entry at the end, unless the item is known. */
export function open(entries: Entries, id: string, role: Entry["role"], atMs = 0): Entries {
  return entries.some((entry) => entry.id === id) ? entries : [...entries, newEntry(id, role, { atMs })];
}

export function find(entries: Entries, id: string): Entry | undefined {
  return entries.find((entry) => entry.id === id);
}

/**
 * Moves an entry where the server has it: behind `previousId`, and before what the user said next. It stays where that is
 * so already, or where the one before is not shown.
 */
export function place(entries: Entries, id: string, previousId: string | null | undefined): Entries {
  const entry = find(entries, id);
  const previous = entries.findIndex((each) => each.id === previousId);
  if (!entry || previous < 0) return entries;
  const next = entries.findIndex((each, i) => i > previous && each.role === "user" && each.id !== id);
  const at = entries.indexOf(entry);
  if (at > previous && (next < 0 || at < next)) return entries;
  const [before, after] = next < 0 ? [entries, []] : [entries.slice(0, next), entries.slice(next)];
  return [...drop(before, id), entry, ...drop(after, id)];
}

export function drop(entries: Entries, id: string): Entries {
  return entries.filter((entry) => entry.id !== id);
}

export function hearUser(entries: Entries, id: string, delta: string, atMs = 0): Entries {
  return edit(open(entries, id, "user", atMs), id, (entry) =>
    entry.status === "tentative" ? { ...entry, text: entry.text + delta } : entry,
  );
}

/** The final transcript replaces the partials; where nothing was said, nothing stays. */
export function settleUser(entries: Entries, id: string, transcript: string, atMs = 0): Entries {
  const text = transcript.trim();
  if (!text) return drop(entries, id);
  return edit(open(entries, id, "user", atMs), id, (entry) => ({ ...entry, text, status: "final" }));
}

export function sayAssistant(
  entries: Entries,
  id: string,
  delta: string,
  isSpoken: boolean,
  atMs = 0,
): Entries {
  return edit(open(entries, id, "assistant", atMs), id, (entry) => {
    if (entry.status === "interrupted") return entry;
    const cues = [...entry.cues, { char: entry.text.length, ms: entry.audioMs }];
    return { ...entry, text: entry.text + delta, cues, isSpoken };
  });
}

export function settleAssistant(entries: Entries, id: string, text: string): Entries {
  return edit(entries, id, (entry) =>
    entry.status === "interrupted" ? entry : { ...entry, text: text || entry.text, status: "final" },
  );
}

export function receiveSound(entries: Entries, id: string, ms: number): Entries {
  return edit(open(entries, id, "assistant"), id, (entry) =>
    entry.status === "interrupted" ? entry : { ...entry, audioMs: entry.audioMs + ms, isSpoken: true },
  );
}

/** Positions only go forward: a report that crossed an interruption changes nothing. */
export function playTo(entries: Entries, id: string, ms: number): Entries {
  return edit(entries, id, (entry) =>
    entry.status === "interrupted" ? entry : { ...entry, heardMs: Math.max(entry.heardMs, ms) },
  );
}

/** All sound that was received has been played. */
export function playOut(entries: Entries): Entries {
  return entries.map((entry) =>
    entry.status === "interrupted" || entry.heardMs === entry.audioMs || entry.role !== "assistant"
      ? entry
      : { ...entry, heardMs: entry.audioMs },
  );
}

export function interrupt(entries: Entries, id: string, heardMs: number): Entries {
  return edit(entries, id, (entry) => ({ ...entry, heardMs, status: "interrupted" }));
}

/** Takes the server's word for what was heard, if its words are a beginning of ours. */
export function keep(entries: Entries, id: string, transcript: string): Entries {
  const kept = transcript.trimEnd();
  return edit(entries, id, (entry) =>
    entry.status === "interrupted" && kept && entry.text.startsWith(kept) ? { ...entry, kept } : entry,
  );
}

/** What never became final will not: the words so far stay, empty entries go, and no tool answers any more. */
export function closeAll(entries: Entries): Entries {
  return entries
    .filter((entry) => entry.text || entry.tool)
    .map((entry) => {
      if (entry.tool) return { ...entry, status: "final", tool: abandoned(entry.tool) };
      if (entry.role === "user") return { ...entry, status: "final" };
      const isCut = entry.isSpoken && entry.kept === null && entry.heardMs < entry.audioMs;
      return { ...entry, status: isCut || entry.status !== "final" ? "interrupted" : "final" };
    });
}

function abandoned(tool: ToolUse): ToolUse {
  return tool.status === "running" || tool.status === "asks" ? { ...tool, status: "failed" } : tool;
}

/** Splits an entry's text, between two words, into what was heard, or read, and what was not. */
export function split(entry: Entry): { heard: string; unheard: string } {
  const point = splitPoint(entry);
  const at = point + (/^\s*/.exec(entry.text.slice(point))?.[0].length ?? 0);
  return { heard: entry.text.slice(0, at), unheard: entry.text.slice(at) };
}

function splitPoint(entry: Entry): number {
  if (!entry.isSpoken) return entry.text.length;
  if (entry.kept !== null) return entry.kept.length;
  return heardLength(entry);
}
