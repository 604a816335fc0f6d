/** A conversation as a file: what was heard, and apart from it what was not. No I/O. */

import { type Entries, type Entry, split } from "./entries";

// Where the sound was not measured, as in a conversation of an earlier day: English as it is spoken.
const MS_PER_CHAR = 67;
const LEAST_CAPTION_MS = 800;

const NAMES = { user: "You", assistant: "Duologue" };

/** One object with all entries. Times are ISO 8601. */
export function asJson(entries: Entries): string {
  return `${JSON.stringify({ entries: shown(entries).map(plain) }, null, 2)}\n`;
}

/** For people: who said what. */
export function asText(entries: Entries): string {
  return shown(entries)
    .map((entry) => `${line(entry)}\n`)
    .join("\n");
}

/** Captions (WebVTT), timed from the first entry. Tools are silent. */
export function asVtt(entries: Entries): string {
  const spoken = shown(entries).filter((entry) => entry.role !== "tool" && split(entry).heard.trim());
  const fromMs = spoken[0]?.atMs ?? 0;
  const cues = spoken.map((entry, i) => cue(entry, fromMs, spoken[i + 1]?.atMs ?? Number.POSITIVE_INFINITY));
  return ["WEBVTT\n", ...cues].join("\n");
}

function shown(entries: Entries): Entry[] {
  return entries.filter((entry) => entry.text.trim() || entry.tool);
}

function plain(entry: Entry): object {
  const { id, role, atMs, status, tool } = entry;
  const head = { id, role, at: new Date(atMs).toISOString() };
  if (tool) {
    const { callId: _, ...told } = tool;
    return { ...head, tool: told };
  }
  const { heard, unheard } = split(entry);
  return { ...head, status, text: heard.trim(), ...(unheard.trim() ? { not_heard: unheard.trim() } : {}) };
}

function line(entry: Entry): string {
  if (entry.tool) return `[${clock(entry.atMs)}] ${toolLine(entry.tool)}`;
  const { heard, unheard } = split(entry);
  const rest = unheard.trim() ? `[not heard: ${unheard.trim()}]` : "";
  return [`[${clock(entry.atMs)}] ${nameOf(entry)}:`, heard.trim(), rest].filter(Boolean).join(" ");
}

function toolLine({ name, server, arguments: given, output, failure, status }: NonNullable<Entry["tool"]>) {
  const result = failure ? `failed: ${failure}` : (output ?? status);
  return `Tool ${server ? `${server}: ` : ""}${name}(${given}): ${result}`;
}

function nameOf({ role }: Entry): string {
  return role === "user" ? NAMES.user : NAMES.assistant;
}

/** The time of day where this is read. */
function clock(atMs: number): string {
  const at = new Date(atMs);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => padded(part, 2)).join(":");
}

/** Shown until the words were heard or the next ones began, but long enough to be seen. */
function cue(entry: Entry, fromMs: number, nextMs: number): string {
  const text = split(entry).heard.trim();
  const startMs = Math.max(0, entry.atMs - fromMs);
  const lastsMs = Math.min(entry.heardMs || text.length * MS_PER_CHAR, nextMs - entry.atMs);
  const endMs = startMs + Math.max(LEAST_CAPTION_MS, lastsMs);
  return `${vttTime(startMs)} --> ${vttTime(endMs)}\n<v ${nameOf(entry)}>${escaped(text)}</v>\n`;
}

/** `hh:mm:ss.mmm`; hours may have more digits. */
function vttTime(ms: number): string {
  const whole = Math.round(ms);
  const [hours, minutes] = [Math.floor(whole / 3_600_000), Math.floor(whole / 60_000) % 60];
  const seconds = `${padded(Math.floor(whole / 1000) % 60, 2)}.${padded(whole % 1000, 3)}`;
  return `${padded(hours, 2)}:${padded(minutes, 2)}:${seconds}`;
}

function padded(value: number, digits: number): string {
  return String(value).padStart(digits, "0");
}

/** A cue's text holds no markup and no blank line; with ">" escaped it holds no "-->" either. */
function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replace(/\s*\n\s*/g, "\n");
}
