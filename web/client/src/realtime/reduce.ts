/** What each event makes of the conversation: a pure function of the server's events and of our own. */

import type { ServerEvent } from "./events";
import { fromInput } from "./from-input";
import { fromPage } from "./from-page";
import { fromResponse } from "./from-response";
import { fromItems } from "./items";
import type { ConversationState, Happening, LocalEvent } from "./state";
import { fromTimes } from "./turns";

export function reduce(state: ConversationState, event: Happening): ConversationState {
  const atMs = event.atMs ?? 0;
  if (event.type.startsWith("page.")) return changed(state, fromPage(state, event as LocalEvent, atMs));
  const told = event as ServerEvent;
  const timed = changed(state, fromTimes(state, told, atMs));
  const change =
    fromInput(timed, told, atMs) ?? fromResponse(timed, told, atMs) ?? fromItems(timed, told, atMs);
  return changed(timed, change);
}

function changed(
  state: ConversationState,
  change: Partial<ConversationState> | undefined,
): ConversationState {
  return change ? { ...state, ...change } : state;
}
