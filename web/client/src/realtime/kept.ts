/** The conversations that the server keeps: `/v1/conversations`. */

import type { WireItem } from "./events";
import { bearer } from "./key";
import type { ServerTiming } from "./timing";
import { readError } from "./trouble";

/** A conversation in the list. */
export interface Kept {
  id: string;
  title: string;
  /** Ms since the epoch. */
  createdMs: number;
  updatedMs: number;
  /** How often the user said something. */
  turns: number;
  /** Where a search found it, if not in the title. */
  snippet: string | null;
  /** Somebody is talking in it now. */
  isLive: boolean;
}

export interface KeptItem {
  /** As the assistant knows it: of an answer only what was heard. */
  item: WireItem;
  saidMs: number;
  /** The rest of an answer that was cut short; "" where there is none. */
  unheard: string;
  timing: ServerTiming | null;
  hasSound: boolean;
}

export interface KeptPage<T> {
  data: T[];
  hasMore: boolean;
}

/** `kind` "off": this server keeps none; "gone": it has no such conversation. */
export class KeptTrouble extends Error {
  readonly kind: "off" | "gone" | "key" | "away";

  constructor(kind: KeptTrouble["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Every method rejects with KeptTrouble. */
export class KeptConversations {
  readonly #base: string;
  readonly #key: () => string | null;

  constructor(base: string, key: () => string | null) {
    this.#base = base;
    this.#key = key;
  }

  /** The newest first. `query`: words to be found in titles and in what was said; `after`: the last id of the page before. */
  async list(query = "", after: string | null = null): Promise<KeptPage<Kept>> {
    const url = this.#url("");
    if (query) url.searchParams.set("q", query);
    if (after) url.searchParams.set("after", after);
    return readPage(await this.#ask("GET", url), readKept);
  }

  /** All items, in order. */
  async items(id: string): Promise<KeptItem[]> {
    const items: KeptItem[] = [];
    for (let hasMore = true; hasMore; ) {
      const url = this.#url(`/${encodeURIComponent(id)}/items`);
      const last = items.at(-1);
      if (last) url.searchParams.set("after", last.item.id);
      const page = readPage(await this.#ask("GET", url), readItem);
      items.push(...page.data);
      hasMore = page.hasMore && page.data.length > 0;
    }
    return items;
  }

  /** How an item sounded: a WAV file. */
  async sound(id: string, itemId: string): Promise<ArrayBuffer> {
    const path = `/${encodeURIComponent(id)}/items/${encodeURIComponent(itemId)}/sound`;
    return (await this.#fetch("GET", this.#url(path))).arrayBuffer();
  }

  async rename(id: string, title: string): Promise<Kept> {
    return readKept(await this.#ask("POST", this.#url(`/${encodeURIComponent(id)}`), { title }));
  }

  /** For good. */
  async remove(id: string): Promise<void> {
    await this.#ask("DELETE", this.#url(`/${encodeURIComponent(id)}`));
  }

  /** All of them, for good. */
  async removeAll(): Promise<void> {
    await this.#ask("DELETE", this.#url(""));
  }

  #url(path: string): URL {
    return new URL(`v1/conversations${path}`, this.#base);
  }

  async #ask(method: string, url: URL, body?: object): Promise<Record<string, unknown>> {
    return Object(await (await this.#fetch(method, url, body)).json());
  }

  async #fetch(method: string, url: URL, body?: object): Promise<Response> {
    let answer: Response;
    try {
      answer = await fetch(url, {
        method,
        headers: { ...bearer(this.#key()), ...(body ? { "Content-Type": "application/json" } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
        cache: "no-store",
        signal: AbortSignal.timeout(10_000),
      });
    } catch {
      throw new KeptTrouble("away", "The server does not answer.");
    }
    if (answer.ok) return answer;
    const { code, message = "" } = await readError(answer);
    if (answer.status === 401 || answer.status === 403) throw new KeptTrouble("key", message);
    if (answer.status === 404)
      throw new KeptTrouble(code === "conversations_not_kept" ? "off" : "gone", message);
    throw new KeptTrouble("away", message);
  }
}

/** Whether the server answers that it has no such conversation, or keeps none. */
export async function isKeptNoMore(base: string, key: string | null, id: string): Promise<boolean> {
  try {
    const url = new URL(`v1/conversations/${encodeURIComponent(id)}`, base);
    const answer = await fetch(url, {
      headers: bearer(key),
      cache: "no-store",
      signal: AbortSignal.timeout(3000),
    });
    return answer.status === 404;
  } catch {
    return false;
  }
}

function readPage<T>(body: Record<string, unknown>, read: (each: Record<string, unknown>) => T): KeptPage<T> {
  const data = Array.isArray(body.data) ? body.data.map((each) => read(Object(each))) : [];
  return { data, hasMore: body.has_more === true };
}

function readKept(body: Record<string, unknown>): Kept {
  return {
    id: String(body.id),
    title: String(body.title ?? ""),
    createdMs: Number(body.created_at) * 1000,
    updatedMs: Number(body.updated_at) * 1000,
    turns: Number(body.turns ?? 0),
    snippet: typeof body.snippet === "string" ? body.snippet : null,
    isLive: body.is_live === true,
  };
}

function readItem(body: Record<string, unknown>): KeptItem {
  return {
    item: body.item as WireItem,
    saidMs: Number(body.said_at) * 1000,
    unheard: String(body.unheard ?? ""),
    timing: body.ms_since_speech_end ? readTiming(Object(body.ms_since_speech_end)) : null,
    hasSound: body.has_sound === true,
  };
}

/** `ms_since_speech_end`, as the wire and the store have it. */
export function readTiming(since: Record<string, number | null>): ServerTiming {
  return {
    committedMs: since.committed ?? 0,
    wordsMs: since.transcript ?? null,
    textMs: since.first_text ?? null,
    phraseMs: since.first_phrase ?? null,
    spokenMs: since.first_sound ?? null,
    sentMs: since.first_sent ?? 0,
  };
}
