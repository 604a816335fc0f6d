/** What the server tells of its answers, of the line and of faults. No I/O. */

import { type Entries, edit, find, interrupt, keep, playOut, sayAssistant, settleAssistant } from "./entries";
import type { ServerEvent, WireError, WireResponse } from "./events";
import { cutsIn } from "./from-page";
import { textOf } from "./items";
import type { ConversationState } from "./state";

type Change = Partial<ConversationState> | undefined;

export function fromResponse(state: ConversationState, event: ServerEvent, atMs: number): Change {
  return ofWords(state, event, atMs) ?? ofPlayout(state, event) ?? ofSession(state, event);
}

function ofWords(state: ConversationState, event: ServerEvent, atMs: number): Change {
  const { entries } = state;
  switch (event.type) {
    case "response.created":
      return {
        pendingItem: null,
        hasCutIn: false,
        response: { id: event.response.id, isAudible: false },
        conversationId: event.response.conversation_id ?? state.conversationId,
      };
    case "response.output_audio_transcript.delta":
      return { entries: sayAssistant(entries, event.item_id, event.delta, true, atMs) };
    case "response.output_text.delta":
      return { entries: sayAssistant(entries, event.item_id, event.delta, false, atMs) };
    case "response.output_audio_transcript.done":
      return { entries: settleAssistant(entries, event.item_id, event.transcript) };
    case "response.output_text.done":
      return { entries: settleAssistant(entries, event.item_id, event.text) };
    case "conversation.item.retrieved":
      return { entries: keep(entries, event.item.id, textOf(event.item)) };
    case "response.done":
      return {
        response: null,
        isPlaying: state.isPlaying || isToBeHeard(state, event.response),
        notice: noticeOf(event.response) ?? state.notice,
        entries: finish(entries, event),
      };
    default:
      return undefined;
  }
}

/** Over WebRTC the server plays, and says so. */
function ofPlayout(state: ConversationState, event: ServerEvent): Change {
  switch (event.type) {
    case "output_audio_buffer.started":
      return { isPlaying: true, response: state.response && { ...state.response, isAudible: true } };
    case "output_audio_buffer.stopped":
      return { isPlaying: false, entries: playOut(state.entries) };
    case "output_audio_buffer.cleared":
      return { isPlaying: false, hasCutIn: cutsIn(state) };
    case "conversation.item.truncated":
      return { entries: cutByServer(state.entries, event.item_id, event.audio_end_ms) };
    default:
      return undefined;
  }
}

function ofSession(state: ConversationState, event: ServerEvent): Change {
  switch (event.type) {
    case "duologue.conversation.opened":
      return { conversationId: event.conversation_id, isKept: event.kept };
    case "duologue.context.trimmed":
      return { knownFrom: event.first_item_id };
    case "error":
      return faulty(state, event.error);
    default:
      return undefined;
  }
}

/** Where this side cut the answer itself, the server only repeats what it was told. */
function cutByServer(entries: Entries, id: string, heardMs: number): Entries {
  return find(entries, id)?.status === "interrupted" ? entries : interrupt(entries, id, heardMs);
}

const NO_SOUND = "input_audio_buffer_commit_empty";
/** Errors that only say that a request came too late; the conversation is as it should be. */
const BENIGN =
  /^(response_cancel_not_active|conversation_already_has_active_response|item_\w+_invalid_item_id)$/;

function faulty({ notice, pendingItem }: ConversationState, { code, message }: WireError): Change {
  if (code === NO_SOUND) return { pendingItem: null };
  return { pendingItem, notice: BENIGN.test(code ?? "") ? notice : message };
}

/** A short answer is made before its sound is on its way: nobody listens in between. */
function isToBeHeard({ entries }: ConversationState, { status }: WireResponse): boolean {
  const last = entries.findLast((entry) => entry.role === "assistant");
  if (!last || status !== "completed" || last.status === "interrupted") return false;
  return last.kept === null && last.audioMs > last.heardMs;
}

function finish(entries: Entries, { response }: { response: WireResponse }): Entries {
  const isCut = response.status === "cancelled" || response.status === "failed";
  return entries.reduce<Entries>((list, entry) => {
    if (entry.role !== "assistant" || entry.status !== "tentative") return list;
    return edit(list, entry.id, (open) => ({ ...open, status: isCut ? "interrupted" : "final" }));
  }, entries);
}

function noticeOf({ status, status_details }: WireResponse): string | null {
  if (status !== "failed") return null;
  return status_details?.error?.message ?? "The answer failed. Please say it again.";
}
