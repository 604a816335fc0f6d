/** A conversation as a file: what was heard, and apart from it what was not. No I/O. */

import { type Entries, type Entry, split } from "./entries";

// Where the sound was not measured, as in a conversation of an earlier day: English as it is spoken, 15 characters a
// second.
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

/** Captions (WebVTT), timed from the first one. Tools are silent. */
export function asVtt(entries: Entries): string {
  const captions = timed(shown(entries).flatMap(spoken));
  const fromMs = captions[0]?.atMs ?? 0;
  return ["WEBVTT\n", ...captions.map((caption) => cue(caption, fromMs))].join("\n");
}

interface Caption {
  name: string;
  text: string;
  atMs: number;
  lastsMs: number;
  /** How long it took is not known, nor when exactly it was said: no later than `atMs` and so long. */
  isEstimated: boolean;
}

function spoken(entry: Entry): Caption[] {
  const text = split(entry).heard.trim();
  if (entry.role === "tool" || !text) return [];
  const lastsMs = Math.max(LEAST_CAPTION_MS, entry.heardMs || text.length * MS_PER_CHAR);
  const isEstimated = entry.role === "user" && entry.heardMs === 0;
  return [{ name: nameOf(entry), text, atMs: entry.atMs, lastsMs, isEstimated }];
}

/** One after the other, each as long as its words sounded: where they were said at one time, the later ones wait. */
function timed(captions: readonly Caption[]): Caption[] {
  let freeMs = Number.NEGATIVE_INFINITY;
  return captions.map((caption, i) => {
    const nextMs = captions[i + 1]?.atMs ?? Number.POSITIVE_INFINITY;
    // A question was asked before it was answered.
    const dueMs = caption.isEstimated ? Math.min(caption.atMs, nextMs - caption.lastsMs) : caption.atMs;
    const atMs = Math.max(freeMs, dueMs);
    freeMs = atMs + caption.lastsMs;
    return { ...caption, atMs };
  });
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

function cue({ name, text, atMs, lastsMs }: Caption, fromMs: number): string {
  const startMs = atMs - fromMs;
  return `${vttTime(startMs)} --> ${vttTime(startMs + lastsMs)}\n<v ${name}>${escaped(text)}</v>\n`;
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
