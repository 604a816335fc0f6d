/** The list as it stands on the page, and how it gets there. No I/O of its own. */

import { type ConversationState, type Kept, type KeptPage, KeptTrouble } from "duologue-client";

export interface Listing {
  /** What `list` was found by. */
  query: string;
  list: readonly Kept[];
  hasMore: boolean;
  /** Null until the server has answered once. */
  trouble: KeptTrouble | null;
  isLoaded: boolean;
  isLoading: boolean;
}

export const EMPTY: Listing = {
  query: "",
  list: [],
  hasMore: false,
  trouble: null,
  isLoaded: false,
  isLoading: true,
};

type Pages = (query: string, after: string | null) => Promise<KeptPage<Kept>>;

/** From the start, as many as were shown before, so that a list does not shrink under the reader. */
export async function loadUpTo(count: number, query: string, pages: Pages): Promise<KeptPage<Kept>> {
  const data: Kept[] = [];
  let hasMore = true;
  while (hasMore && (data.length === 0 || data.length < count)) {
    const page = await pages(query, data.at(-1)?.id ?? null);
    data.push(...page.data);
    hasMore = page.hasMore && page.data.length > 0;
  }
  return { data, hasMore };
}

/** A conversation that was talked in meanwhile moves up, and comes twice: the first one stands. */
export function append(list: readonly Kept[], more: readonly Kept[]): Kept[] {
  const known = new Set(list.map(({ id }) => id));
  return [...list, ...more.filter(({ id }) => !known.has(id))];
}

export function rename(list: readonly Kept[], renamed: Kept): Kept[] {
  return list.map((each) => (each.id === renamed.id ? { ...renamed, snippet: each.snippet } : each));
}

export function troubleOf(error: unknown): KeptTrouble {
  return error instanceof KeptTrouble ? error : new KeptTrouble("away", String(error));
}

/**
 * Changes when the list may have: a talk begins, ends, or says its first words, which give it its title. It does not
 * change with every word.
 */
export function occasion(state: ConversationState): string {
  const { link, conversationId, entries } = state;
  const said = entries.filter(({ role, status, text }) => role === "user" && status !== "tentative" && text);
  const isOver = link === "ended" || link === "failed" || link === "idle";
  return `${conversationId} ${isOver ? "over" : link === "open" ? "open" : "on its way"} ${said.length > 0}`;
}

/** Which row gets the focus once `id` is gone: the next one, or the one before the end. */
export function neighbour(list: readonly Kept[], id: string): string | null {
  const at = list.findIndex((each) => each.id === id);
  return (list[at + 1] ?? list[at - 1])?.id ?? null;
}
