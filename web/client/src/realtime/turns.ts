/** Where the time of each turn went, gathered from what the server tells and the page measures. No I/O. */

import type { ServerEvent } from "./events";
import { readTiming } from "./kept";
import type { ConversationState, Turn } from "./state";
import type { PageTiming, ServerTiming, TurnTiming } from "./timing";

type Change = Partial<ConversationState> | undefined;

export function fromTimes(state: ConversationState, event: ServerEvent, atMs: number): Change {
  const { turn } = state;
  switch (event.type) {
    case "input_audio_buffer.speech_started":
      return { turn: newTurn(event.item_id) };
    case "input_audio_buffer.committed":
      return { turn: turn.itemId === event.item_id ? turn : newTurn(event.item_id) };
    case "duologue.attempt.ended":
      return event.kept ? undefined : { turn: dropped(turn, event.compute_ms) };
    case "response.created":
      return { turn: { ...turn, replyId: event.response.id, itemId: state.pendingItem, atMs } };
    case "duologue.response.timing": {
      const server = readTiming(event.ms_since_speech_end);
      return timed(state, event.response_id, { server, itemId: event.item_id ?? turn.itemId }, atMs);
    }
    default:
      return undefined;
  }
}

export function newTurn(itemId: string): Turn {
  return { replyId: null, itemId, atMs: 0, dropped: 0, droppedMs: 0 };
}

/** Answers that were begun in pauses belong to the turn whose answer comes next. */
function dropped(turn: Turn, computeMs: number): Turn {
  return { ...turn, dropped: turn.dropped + 1, droppedMs: turn.droppedMs + computeMs };
}

interface Known {
  server?: ServerTiming;
  page?: PageTiming;
  itemId?: string | null;
}

/** Adds what has become known of the answer to a turn. */
export function timed(state: ConversationState, replyId: string, known: Known, atMs: number): Change {
  const before = state.timings.find((timing) => timing.replyId === replyId);
  if (!before) return { timings: [...state.timings, { ...begun(state.turn, replyId, atMs), ...known }] };
  return { timings: state.timings.map((timing) => (timing === before ? { ...before, ...known } : timing)) };
}

function begun(turn: Turn, replyId: string, atMs: number): TurnTiming {
  const isThis = turn.replyId === replyId;
  return {
    replyId,
    itemId: isThis ? turn.itemId : null,
    atMs: isThis ? turn.atMs : atMs,
    server: null,
    page: null,
    dropped: isThis ? turn.dropped : 0,
    droppedMs: isThis ? turn.droppedMs : 0,
  };
}
