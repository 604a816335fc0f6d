/** Keeps the list in step with the server. */

import type { Kept, KeptConversations } from "duologue-client";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { append, EMPTY, type Listing, loadUpTo, rename, troubleOf } from "./listing";

// Typing goes on: a letter every 200 ms is common.
const TYPING_MS = 220;
// The server writes a turn down shortly after it was said.
const WRITTEN_MS = 900;

export interface ListingControl {
  listing: Listing;
  reload(): Promise<void>;
  loadMore(): Promise<void>;
  /** What the page has done itself, without asking the server again. */
  renamed(kept: Kept): void;
  removed(id: string | null): void;
}

/** `occasion`: with every change of it the list is loaded anew. */
export function useListing(kept: KeptConversations, query: string, occasion: string): ListingControl {
  const [listing, setListing] = useState(EMPTY);
  const shown = useRef(listing);
  shown.current = listing;
  const latest = useRef(0);

  const load = useCallback(
    async (count: number, wanted: string) => {
      const mine = ++latest.current;
      setListing((before) => ({ ...before, isLoading: true }));
      const change = await loadUpTo(count, wanted, (q, after) => kept.list(q, after)).then(
        ({ data, hasMore }) => ({ query: wanted, list: data, hasMore, trouble: null }),
        (error) => ({ trouble: troubleOf(error) }),
      );
      // An answer that was overtaken by a later question is no longer of interest.
      if (mine !== latest.current) return;
      setListing((before) => ({ ...before, ...change, isLoaded: true, isLoading: false }));
    },
    [kept],
  );

  const loadMore = useCallback(async () => {
    const { list, query: found } = shown.current;
    const mine = latest.current;
    const change = await kept.list(found, list.at(-1)?.id ?? null).then(
      ({ data, hasMore }) => ({ list: append(list, data), hasMore }),
      (error) => ({ trouble: troubleOf(error) }),
    );
    if (mine === latest.current) setListing((before) => ({ ...before, ...change }));
  }, [kept]);

  useLoading(load, shown, query, occasion);
  return {
    listing,
    loadMore,
    reload: () => load(listing.list.length, query),
    renamed: (each) => setListing((before) => ({ ...before, list: rename(before.list, each) })),
    removed: (id) =>
      setListing((before) => ({ ...before, list: id ? before.list.filter((each) => each.id !== id) : [] })),
  };
}

type Load = (count: number, query: string) => Promise<void>;

function useLoading(load: Load, shown: { current: Listing }, query: string, occasion: string): void {
  const wanted = useRef(query);
  wanted.current = query;
  useEffect(() => {
    // At once to begin with, and when the field is emptied.
    const wait = shown.current.isLoaded && query ? TYPING_MS : 0;
    const timer = setTimeout(() => load(0, query), wait);
    return () => clearTimeout(timer);
  }, [load, shown, query]);
  const first = useRef(occasion);
  useEffect(() => {
    if (first.current === occasion) return;
    first.current = "";
    const timer = setTimeout(() => load(shown.current.list.length, wanted.current), WRITTEN_MS);
    return () => clearTimeout(timer);
  }, [load, shown, occasion]);
}
