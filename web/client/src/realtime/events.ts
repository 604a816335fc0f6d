/** The part of the OpenAI Realtime (GA) protocol that the page speaks, and Duologue's own events that it asks for. */

/**
 * What the address of a session asks for: to be told to lower, hold and resume what is played. A server that does not
 * know of it passes it over.
 */
export const PLAYOUT = "x_playout=1";

export interface WireItem {
  id: string;
  type: string;
  role?: "user" | "assistant" | "system";
  content?: { type: string; text?: string; transcript?: string | null }[];
}

export interface WireResponse {
  id: string;
  status: "in_progress" | "completed" | "cancelled" | "failed" | "incomplete";
  status_details?: { reason?: string; error?: { code?: string; message?: string } } | null;
}

export interface WireError {
  code?: string | null;
  /** Of the client's event that it answers. */
  event_id?: string | null;
  message: string;
}

/** Events about items carry `item_id`. Types that are not listed here are ignored. */
export type ServerEvent =
  | { type: "session.created" | "session.updated" }
  | { type: "input_audio_buffer.speech_started"; item_id: string; audio_start_ms: number }
  | { type: "input_audio_buffer.speech_stopped"; item_id: string; audio_end_ms: number }
  | { type: "input_audio_buffer.committed"; item_id: string }
  | { type: "input_audio_buffer.cleared" }
  | { type: "conversation.item.input_audio_transcription.delta"; item_id: string; delta?: string }
  | { type: "conversation.item.input_audio_transcription.completed"; item_id: string; transcript: string }
  | { type: "conversation.item.input_audio_transcription.failed"; item_id: string }
  | { type: "conversation.item.retrieved"; item: WireItem }
  | { type: "conversation.item.truncated"; item_id: string; audio_end_ms: number }
  | { type: "response.created"; response: WireResponse }
  | { type: "response.output_item.added"; item: WireItem }
  | {
      type: "response.output_audio_transcript.delta";
      response_id: string;
      item_id: string;
      delta: string;
    }
  | { type: "response.output_audio_transcript.done"; item_id: string; transcript: string }
  | { type: "response.output_text.delta"; item_id: string; delta: string }
  | { type: "response.output_text.done"; item_id: string; text: string }
  | { type: "response.output_audio.delta"; response_id: string; item_id: string; delta: string }
  | { type: "response.output_audio.done"; item_id: string }
  | { type: "response.done"; response: WireResponse }
  | { type: `output_audio_buffer.${"started" | "stopped" | "cleared"}`; response_id: string }
  | { type: "duologue.output_audio.lowered"; response_id: string; gain: number }
  | { type: `duologue.output_audio.${"held" | "resumed"}`; response_id: string }
  | { type: "error"; error: WireError };

export type ClientEvent =
  | { type: "session.update"; session: object }
  | { type: "input_audio_buffer.append"; audio: string }
  | { type: "conversation.item.create"; item: object }
  | { type: "conversation.item.truncate"; item_id: string; content_index: 0; audio_end_ms: number }
  | { type: "conversation.item.retrieve"; item_id: string }
  | { type: "response.create" }
  | { type: "response.cancel" }
  | { type: "output_audio_buffer.clear" }
  | { type: "duologue.output_audio.played"; event_id: string; item_id: string; audio_end_ms: number };

/** What the page asks of a session: transcripts of the user's speech, and turns found by the server. */
export const SESSION = {
  type: "realtime",
  audio: { input: { transcription: { model: "default" }, turn_detection: { type: "semantic_vad" } } },
};

export function typedItem(id: string, role: "user" | "assistant", text: string): object {
  const type = role === "user" ? "input_text" : "output_text";
  return { id, type: "message", role, content: [{ type, text }] };
}

/** Ids that a client makes up: at most 32 characters, unlikely ever to meet. */
export function newItemId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `item_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
