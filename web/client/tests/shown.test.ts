import { afterEach, describe, expect, it, vi } from "vitest";
import { split } from "../src/realtime/entries";
import type { WireItem } from "../src/realtime/events";
import { KeptConversations, type KeptItem, KeptTrouble } from "../src/realtime/kept";
import { fetchOffer } from "../src/realtime/offer";
import { reduce } from "../src/realtime/reduce";
import { recall } from "../src/realtime/shown";
import { INITIAL, phaseOf } from "../src/realtime/state";

const BASE = "http://localhost:8000/";

afterEach(() => vi.unstubAllGlobals());

function serverWith(pages: Record<string, [number, object]>): string[] {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (url: URL, { method = "GET" }: RequestInit = {}) => {
    asked.push(`${method} ${url.pathname}${url.search}`);
    const page = pages[url.pathname + url.search];
    if (!page) throw new TypeError("Failed to fetch");
    return new Response(JSON.stringify(page[1]), { status: page[0] });
  });
  return asked;
}

const kept = (item: WireItem, more: Partial<KeptItem> = {}): KeptItem => ({
  item,
  saidMs: 1000,
  unheard: "",
  timing: null,
  hasSound: false,
  ...more,
});
const user = (id: string, transcript: string): WireItem => ({
  id,
  type: "message",
  status: "completed",
  role: "user",
  content: [{ type: "input_audio", transcript }],
});
const answer = (id: string, transcript: string): WireItem => ({
  id,
  type: "message",
  status: "completed",
  role: "assistant",
  content: [{ type: "output_audio", transcript }],
});
const timing = { committedMs: 300, wordsMs: 200, textMs: 210, phraseMs: 215, spokenMs: 220, sentMs: 310 };

describe("a kept conversation", () => {
  const items = [
    kept(user("u", "Tell me a story."), { timing, saidMs: 500 }),
    kept(answer("a", "Once upon"), { unheard: " a time.", saidMs: 2000 }),
    kept(answer("b", ""), { unheard: "Never heard." }),
    kept(answer("c", "Well.")),
  ];

  it("is shown with what was heard and what was not", () => {
    const { entries } = recall(items);
    expect(entries.map((entry) => [entry.id, entry.status, entry.atMs])).toEqual([
      ["u", "final", 500],
      ["a", "interrupted", 2000],
      ["b", "interrupted", 1000],
      ["c", "final", 1000],
    ]);
    expect(entries.slice(1).map(split)).toEqual([
      { heard: "Once upon ", unheard: "a time." },
      { heard: "", unheard: "Never heard." },
      { heard: "Well.", unheard: "" },
    ]);
  });

  it("has the times of its turns", () => {
    expect(recall(items).timings).toEqual([
      { replyId: "a", itemId: "u", atMs: 2000, server: timing, page: null, dropped: 0, droppedMs: 0 },
    ]);
  });

  it("has its tools, none of which is at work", () => {
    const call = { type: "mcp_call", server_label: "home", name: "light", arguments: "{}" };
    const { entries } = recall([
      kept({ id: "1", ...call, output: "On." }),
      kept({ id: "2", ...call, output: null }),
      kept({ id: "3", ...call, type: "mcp_approval_request" }),
    ]);
    expect(entries.map((entry) => entry.tool?.status)).toEqual(["done", "failed", "failed"]);
  });

  it("is ready to be gone on with", () => {
    const shown = reduce(INITIAL, { type: "page.shown", id: "conv_1", ...recall(items) });
    expect(phaseOf(shown)).toBe("idle");
    const again = reduce(shown, { type: "page.connecting", hasMicrophone: true, conversationId: "conv_1" });
    expect(again).toMatchObject({ link: "connecting", conversationId: "conv_1", isKept: true });
    expect(again.entries).toEqual(shown.entries);
    const other = reduce(shown, { type: "page.connecting", hasMicrophone: true, conversationId: "conv_2" });
    expect(other).toMatchObject({ entries: [], conversationId: "conv_2", isKept: true });
    expect(reduce(shown, { type: "page.cleared" })).toEqual(INITIAL);
  });

  it("comes before what was said since, where it comes late", () => {
    const talking = reduce(reduce(INITIAL, { type: "page.connecting", hasMicrophone: true }), {
      type: "page.typed",
      id: "z",
      text: "Go on.",
    });
    const { entries, link } = reduce(talking, { type: "page.shown", id: "conv_1", ...recall(items) });
    expect([link, entries.map((entry) => entry.id)]).toEqual(["connecting", ["u", "a", "b", "c", "z"]]);
  });
});

describe("the server's account of it", () => {
  const conversations = new KeptConversations(BASE, () => null);
  const wire = (id: string) => ({ item: user(id, id), said_at: 1.5, unheard: "", has_sound: false });

  it("is read page by page", async () => {
    const times = { committed: 300, transcript: null, first_sent: 310 };
    const asked = serverWith({
      "/v1/conversations/conv_1/items": [200, { data: [wire("1"), wire("2")], has_more: true }],
      "/v1/conversations/conv_1/items?after=2": [
        200,
        { data: [{ ...wire("3"), ms_since_speech_end: times, unheard: "rest" }], has_more: false },
      ],
    });
    const items = await conversations.items("conv_1");
    expect(asked).toHaveLength(2);
    expect(items.map(({ item, saidMs }) => [item.id, saidMs])).toEqual([
      ["1", 1500],
      ["2", 1500],
      ["3", 1500],
    ]);
    expect(items[2]).toMatchObject({
      unheard: "rest",
      timing: { committedMs: 300, wordsMs: null, sentMs: 310 },
    });
  });

  it("says whether it is off, or gone, or out of reach", async () => {
    const kindOf = (asked: Promise<unknown>) => asked.catch((error: KeptTrouble) => error.kind);
    serverWith({ "/v1/conversations": [404, { error: { code: "conversations_not_kept" } }] });
    expect(await kindOf(conversations.list())).toBe("off");
    serverWith({ "/v1/conversations/x/items": [404, { error: { code: "conversation_not_found" } }] });
    expect(await kindOf(conversations.items("x"))).toBe("gone");
    serverWith({});
    expect(await kindOf(conversations.remove("x"))).toBe("away");
    serverWith({ "/v1/conversations/x": [401, {}] });
    expect(await kindOf(conversations.remove("x"))).toBe("key");
    expect(new KeptTrouble("off", "It is off.").message).toBe("It is off.");
  });
});

describe("what a server offers", () => {
  it("is read in the page's own names", async () => {
    const engine = { stages: ["asr"], engine: "whisper", model: null, licence: "MIT" };
    const store = { on: true, days: 30, sound: false };
    serverWith({ "/v1/offer": [200, { version: "1", engines: [{ ...engine, size_bytes: 5 }], store }] });
    expect(await fetchOffer(BASE, null)).toMatchObject({
      version: "1",
      engines: [{ ...engine, sizeBytes: 5 }],
      store: { isOn: true, days: 30, hasSound: false },
    });
  });

  it("is nothing where the server does not tell", async () => {
    serverWith({ "/v1/offer": [404, {}] });
    expect(await fetchOffer(BASE, null)).toBeNull();
    serverWith({});
    expect(await fetchOffer(BASE, null)).toBeNull();
  });
});
