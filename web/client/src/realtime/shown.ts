/** A kept conversation as entries, to be shown and gone on with. No I/O. */

import { closeAll, type Entries, edit } from "./entries";
import { textOf, withItem } from "./items";
import type { KeptItem } from "./kept";
import type { TurnTiming } from "./timing";

export interface Recalled {
  entries: Entries;
  timings: readonly TurnTiming[];
}

/** `items`: in order. Ids are the server's, so that what comes of them later finds its entry. */
export function recall(items: readonly KeptItem[]): Recalled {
  const entries = closeAll(items.reduce<Entries>(withKept, []));
  const timings = items.flatMap((item, i) => (item.timing ? [timingOf(item, items.slice(i + 1))] : []));
  return { entries, timings };
}

function withKept(entries: Entries, { item, saidMs, unheard, hasSound }: KeptItem): Entries {
  const isAnswer = item.type === "message" && item.role === "assistant";
  // What was begun is over: nobody works at it any more.
  const known = withItem(entries, { ...item, status: "completed" }, saidMs);
  if (!isAnswer) return hasSound ? edit(known, item.id, (entry) => ({ ...entry, hasSound })) : known;
  const heard = textOf(item).trimEnd();
  const isSpoken = item.content?.some((part) => part.type === "output_audio") ?? false;
  const whole = known.some((entry) => entry.id === item.id)
    ? known
    : withItem(known, { ...item, status: "in_progress" }, saidMs);
  return edit(whole, item.id, (entry) => ({
    ...entry,
    text: joined(heard, unheard),
    isSpoken: isSpoken || unheard !== "",
    kept: heard,
    hasSound,
    status: unheard ? "interrupted" : "final",
  })).filter((entry) => entry.id !== item.id || entry.text);
}

function joined(heard: string, unheard: string): string {
  return heard && unheard ? `${heard} ${unheard.trimStart()}` : heard + unheard;
}

/** The store keeps the time of a turn with the user's words. */
function timingOf({ item, saidMs, timing }: KeptItem, later: readonly KeptItem[]): TurnTiming {
  const answer = later.find((each) => each.item.role === "assistant" || each.item.role === "user");
  const isAnswered = answer?.item.role === "assistant";
  return {
    replyId: isAnswered ? answer.item.id : item.id,
    itemId: item.id,
    atMs: isAnswered ? answer.saidMs : saidMs,
    server: timing,
    page: null,
    dropped: 0,
    droppedMs: 0,
  };
}
