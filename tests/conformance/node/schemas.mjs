// Holds recorded server events, one JSON object a line, against the zod schemas of @openai/agents-realtime, and lets
// its own reading of them run, which has stricter schemas for items.
//
//     node schemas.mjs frames.jsonl
//
// The package does not export its schemas of events: they are taken from where they lie.

import { readFileSync } from "node:fs";
import { OpenAIRealtimeBase } from "@openai/agents-realtime";
import { realtimeServerEventSchema } from "./node_modules/@openai/agents-realtime/dist/openaiRealtimeEvents.mjs";

const known = new Set(realtimeServerEventSchema.options.flatMap((option) => [...option.shape.type.values]));
// In the API, not in the schemas: the SDK hands them on as they are.
const ONLY_HANDED_ON = new Set([
  "conversation.item.input_audio_transcription.segment",
  "input_audio_buffer.dtmf_event_received",
  "input_audio_buffer.timeout_triggered",
  "response.mcp_call.failed",
]);

class Reader extends OpenAIRealtimeBase {
  sendEvent() {}

  read(line) {
    this._onMessage({ data: line });
  }
}

const reader = new Reader();
reader.on("error", () => {});
const problems = [];
const kinds = new Set();
const lines = readFileSync(process.argv[2], "utf8").split("\n").filter(Boolean);
for (const line of lines) {
  const problem = problemOf(line);
  if (problem) problems.push(`${problem}\n  ${line.slice(0, 1_000)}`);
}
console.log(`${lines.length} events of ${kinds.size} kinds, ${problems.length} that do not fit`);
console.log(problems.join("\n"));
process.exit(problems.length ? 1 : 0);

function problemOf(line) {
  const event = JSON.parse(line);
  kinds.add(event.type);
  if (!known.has(event.type)) return ONLY_HANDED_ON.has(event.type) ? null : `${event.type}: not a type of the schemas`;
  const parsed = realtimeServerEventSchema.safeParse(event);
  if (!parsed.success) return `${event.type}: ${parsed.error.issues.map(inWords).join("; ")}`;
  try {
    reader.read(line);
  } catch (error) {
    return `${event.type}, when the SDK read it: ${error.issues?.map(inWords).join("; ") ?? error}`;
  }
  return null;
}

function inWords(issue) {
  return `${issue.path.join(".")}: ${issue.message}`;
}
