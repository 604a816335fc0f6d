/** What a short talk leaves in the log. */

import type { EventLog } from "duologue-client";

const BEGUN_MS = Date.UTC(2025, 4, 12, 9, 41, 3);
const QUESTION = { id: "item_3", type: "message", role: "user" };
const ANSWER = { id: "item_5", type: "message", role: "assistant" };

type Said = ["client" | "server", object];

const OPENING: Said[] = [
  ["server", { type: "session.created", session: { type: "realtime", model: "qwen3-4b" } }],
  ["server", { type: "duologue.conversation.opened", conversation_id: "conv_7f", kept: true, items: 0 }],
  ["client", { type: "session.update", session: { type: "realtime", tools: [] } }],
  ["server", { type: "session.updated", session: { type: "realtime", tools: [] } }],
];

const TURN: Said[] = [
  ["server", { type: "input_audio_buffer.speech_started", audio_start_ms: 4120, item_id: "item_3" }],
  ["server", { type: "input_audio_buffer.speech_stopped", audio_end_ms: 5480, item_id: "item_3" }],
  ["server", { type: "input_audio_buffer.committed", item_id: "item_3" }],
  ["server", { type: "conversation.item.added", item: { ...QUESTION, status: "in_progress" } }],
  [
    "server",
    {
      type: "conversation.item.input_audio_transcription.completed",
      item_id: "item_3",
      transcript: "When is high tide today?",
    },
  ],
  ["server", { type: "response.created", response: { id: "resp_1", status: "in_progress" } }],
  ["server", { type: "conversation.item.added", item: { ...ANSWER, status: "in_progress" } }],
  [
    "server",
    { type: "response.output_audio_transcript.delta", item_id: "item_5", delta: "The next high tide" },
  ],
  ["server", { type: "duologue.response.timing", response_id: "resp_1", ms_since_speech_end: { sent: 490 } }],
  ["server", { type: "output_audio_buffer.started", response_id: "resp_1" }],
  ["server", { type: "response.done", response: { id: "resp_1", status: "completed" } }],
  ["server", { type: "output_audio_buffer.stopped", response_id: "resp_1" }],
];

const FAULT: Said = [
  "server",
  { type: "error", error: { code: "invalid_value", message: "There is no voice named “nobody”." } },
];

export function fill(log: EventLog): void {
  const all = [...OPENING, ...TURN, ...TURN, FAULT];
  for (const [i, [from, event]] of all.entries()) {
    log.note(from, event as { type: string }, BEGUN_MS + i * 180);
  }
}
