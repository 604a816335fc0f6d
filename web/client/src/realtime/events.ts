/** The part of the OpenAI Realtime (GA) protocol that the page speaks, and Duologue's own events that it asks for. */

/**
 * What the address of a session asks for: to be told to lower, hold and resume what is played, and how quick the answers
 * are. A server that does not know of it passes it over.
 */
const EXTENSIONS = "x_playout=1&x_metrics=1";

/** Which conversation a session is in: the id of a kept one, "new", or "none", to be kept nowhere. */
export function sessionAddress(base: string, path: string, conversation: string): URL {
  return new URL(
    `${path}?model=duologue&${EXTENSIONS}&x_conversation=${encodeURIComponent(conversation)}`,
    base,
  );
}

export interface WireItem {
  id: string;
  /** "message", "function_call", "function_call_output", "mcp_call", "mcp_approval_request", ... */
  type: string;
  status?: "in_progress" | "completed" | "incomplete";
  role?: "user" | "assistant" | "system";
  content?: { type: string; text?: string; transcript?: string | null }[];
  call_id?: string;
  name?: string;
  arguments?: string;
  output?: string | null;
  error?: { message?: string } | null;
  server_label?: string;
  approval_request_id?: string | null;
  approve?: boolean;
}

export interface WireResponse {
  id: string;
  conversation_id?: string | null;
  status: "in_progress" | "completed" | "cancelled" | "failed" | "incomplete";
  status_details?: { reason?: string; error?: { code?: string; message?: string } } | null;
}

export interface WireError {
  code?: string | null;
  /** Of the client's event that it answers. */
  event_id?: string | null;
  /** The field that it is about. */
  param?: string | null;
  message: string;
}

/** What a session is like before anything is asked of it. */
export interface WireSession {
  model?: string;
  instructions?: string;
  audio?: { output?: { voice?: string } };
}

/** `ms_since_speech_end`, as the wire and the store have it. */
export type WireTiming = Record<string, number | null>;

/** Events about items carry `item_id`. Types that are not listed here are ignored. */
export type ServerEvent =
  | { type: "session.created" | "session.updated"; session?: WireSession }
  | { type: "input_audio_buffer.speech_started"; item_id: string; audio_start_ms: number }
  | { type: "input_audio_buffer.speech_stopped"; item_id: string; audio_end_ms: number }
  | { type: "input_audio_buffer.committed"; item_id: string; previous_item_id?: string | null }
  | { type: "input_audio_buffer.cleared" }
  | { type: "conversation.item.input_audio_transcription.delta"; item_id: string; delta?: string }
  | { type: "conversation.item.input_audio_transcription.completed"; item_id: string; transcript: string }
  | { type: "conversation.item.input_audio_transcription.failed"; item_id: string }
  | {
      type: `conversation.item.${"added" | "done"}`;
      item: WireItem;
      previous_item_id?: string | null;
    }
  | { type: "conversation.item.deleted"; item_id: string }
  | { type: "conversation.item.retrieved"; item: WireItem }
  | { type: "conversation.item.truncated"; item_id: string; audio_end_ms: number }
  | { type: "response.created"; response: WireResponse }
  | { type: `response.output_item.${"added" | "done"}`; item: WireItem }
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
  | { type: `response.${"function" | "mcp"}_call_arguments.delta`; item_id: string; delta: string }
  | { type: `response.${"function" | "mcp"}_call_arguments.done`; item_id: string; arguments: string }
  | { type: `response.mcp_call.${"in_progress" | "completed" | "failed"}`; item_id: string }
  | { type: "response.done"; response: WireResponse }
  | { type: `output_audio_buffer.${"started" | "stopped" | "cleared"}`; response_id: string }
  | { type: "duologue.output_audio.lowered"; response_id: string; gain: number }
  | { type: `duologue.output_audio.${"held" | "resumed"}`; response_id: string }
  | {
      type: "duologue.conversation.opened";
      conversation_id: string;
      kept: boolean;
      items: number;
      title?: string | null;
    }
  | { type: "duologue.context.trimmed"; first_item_id: string | null }
  | {
      type: "duologue.response.timing";
      response_id: string;
      item_id?: string | null;
      ms_since_speech_end: WireTiming;
      /** Where on the session's input clock its times count from. */
      audio_end_ms?: number;
    }
  | { type: "duologue.attempt.ended"; kept: boolean; level: string; compute_ms: number }
  | { type: "duologue.overlap.judged"; verdict: string; audio_start_ms: number; took_ms: number }
  | { type: "error"; error: WireError };

export type ClientEvent =
  | { type: "session.update"; session: object; event_id?: string }
  | { type: "input_audio_buffer.append"; audio: string }
  | { type: "input_audio_buffer.commit" | "input_audio_buffer.clear" }
  | { type: "conversation.item.create"; item: object }
  | { type: "conversation.item.delete"; item_id: string }
  | { type: "conversation.item.truncate"; item_id: string; content_index: 0; audio_end_ms: number }
  | { type: "conversation.item.retrieve"; item_id: string }
  | { type: "response.create" }
  | { type: "response.cancel" }
  | { type: "output_audio_buffer.clear" }
  | { type: "duologue.output_audio.played"; event_id: string; item_id: string; audio_end_ms: number };

export function typedItem(id: string, role: "user" | "assistant", text: string): object {
  const type = role === "user" ? "input_text" : "output_text";
  return { id, type: "message", role, content: [{ type, text }] };
}

/** Ids that a client makes up: at most 32 characters, unlikely ever to meet. */
export function newItemId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `item_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
