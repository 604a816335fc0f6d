/** What the server tells of the user's speech. No I/O. */

import { drop, type Entries, edit, find, hearUser, open, place, settleUser } from "./entries";
import type { ServerEvent } from "./events";
import type { ConversationState } from "./state";

type Change = Partial<ConversationState> | undefined;

export function fromInput(state: ConversationState, event: ServerEvent, atMs: number): Change {
  const { entries } = state;
  switch (event.type) {
    case "input_audio_buffer.speech_started":
      return {
        speechItem: event.item_id,
        speech: speechOf(state, event.item_id, event.audio_start_ms),
        pendingItem: null,
        hasCutIn: false,
        notice: null,
        deviceNotice: null,
        hasSwitched: false,
        entries: open(dropUncommitted(state), event.item_id, "user", atMs),
      };
    case "input_audio_buffer.speech_stopped":
      return { speechItem: null, hasCutIn: false, entries: spokenUntil(state, event) };
    case "input_audio_buffer.committed":
      return {
        speechItem: null,
        hasCutIn: false,
        pendingItem: event.item_id,
        entries: place(open(entries, event.item_id, "user", atMs), event.item_id, event.previous_item_id),
      };
    case "input_audio_buffer.cleared":
      return { speechItem: null, entries: dropUncommitted(state) };
    case "conversation.item.input_audio_transcription.delta":
      return { entries: hearUser(entries, event.item_id, event.delta ?? "", atMs) };
    case "conversation.item.input_audio_transcription.completed":
      return settled(state, event.item_id, event.transcript, atMs);
    case "conversation.item.input_audio_transcription.failed":
      return settled(state, event.item_id, find(entries, event.item_id)?.text ?? "", atMs);
    default:
      return undefined;
  }
}

/** Noise that holds no words gets no answer: stop waiting for one. */
function settled(
  state: ConversationState,
  id: string,
  transcript: string,
  atMs: number,
): Partial<ConversationState> {
  const isNoise = !transcript.trim() && state.pendingItem === id;
  return {
    pendingItem: isNoise ? null : state.pendingItem,
    entries: settleUser(state.entries, id, transcript, atMs),
  };
}

/** Speech that the server took back (it was no turn) leaves only the tentative entry it was spoken into. */
function dropUncommitted(state: ConversationState): Entries {
  const { speechItem, entries } = state;
  return speechItem ? drop(entries, speechItem) : entries;
}

type Stopped = Extract<ServerEvent, { type: "input_audio_buffer.speech_stopped" }>;

/** Speech that goes on after a pause began before it. */
function speechOf(
  { speech }: ConversationState,
  itemId: string,
  fromMs: number,
): ConversationState["speech"] {
  return speech?.itemId === itemId ? speech : { itemId, fromMs };
}

/** How long the user's words sounded. */
function spokenUntil({ entries, speech }: ConversationState, { item_id, audio_end_ms }: Stopped): Entries {
  if (speech?.itemId !== item_id) return entries;
  const ms = Math.max(0, audio_end_ms - speech.fromMs);
  return edit(entries, item_id, (entry) => ({ ...entry, audioMs: ms, heardMs: ms }));
}
