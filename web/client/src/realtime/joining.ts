/** Which conversation a session is in, and what it must be told of it. No I/O. */

import { type Entries, type Entry, split } from "./entries";
import { typedItem } from "./events";
import type { Settings } from "./settings";
import type { ConversationState } from "./state";

/**
 * For `x_conversation`: a conversation that the server keeps is gone on with. What was said and is not kept, or was
 * deleted meanwhile, is told to a session that keeps nothing: those words are not to come back.
 */
export function joining(
  { conversationId, isKept, entries }: Pick<ConversationState, "conversationId" | "isKept" | "entries">,
  settings: Settings,
): string {
  if (conversationId !== null && isKept) return conversationId;
  return settings.isKept && entries.length === 0 ? "new" : "none";
}

/** Whether `conversation` is one that the server is to know. */
export function isResumed(conversation: string): boolean {
  return conversation !== "new" && conversation !== "none";
}

/** `remembered`: how many items the server has of the conversation; null: it told nothing of conversations. */
export function needsHistory(remembered: number | null): boolean {
  return remembered === null || remembered === 0;
}

/** The last answer, if this page alone knows how much of it was heard; else null. */
export function cutByLoss(entries: Entries): Entry | null {
  const last = entries.findLast((entry) => entry.role === "assistant");
  const isCut = last?.status === "interrupted" && last.isSpoken && last.kept === null && last.audioMs > 0;
  return isCut ? last : null;
}

/** What was said and heard, as items to be created anew, under the ids that the entries have here. */
export function historyItems(entries: Entries): object[] {
  return entries.flatMap((entry) => {
    const text = split(entry).heard.trim();
    return text && entry.role !== "tool" ? [typedItem(entry.id, entry.role, text)] : [];
  });
}
