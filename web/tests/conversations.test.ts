import { INITIAL, type Kept, KeptTrouble } from "duologue-client";
import { describe, expect, it, vi } from "vitest";
import { byDay, clockTime, dayLabel } from "../src/view/conversations/days";
import { append, loadUpTo, neighbour, occasion, rename, troubleOf } from "../src/view/conversations/listing";
import { mark, wordsOf } from "../src/view/conversations/marking";
import { localeOf } from "../src/view/conversations/reader";

const NAMES = { today: "Today", yesterday: "Yesterday", locale: "en-GB" };
const at = (...when: [number, number, number, number?, number?]) => new Date(...when).getTime();

function kept(id: string, updatedMs = 0, more: Partial<Kept> = {}): Kept {
  return { id, title: id, createdMs: 0, updatedMs, turns: 1, snippet: null, isLive: false, ...more };
}

describe("days", () => {
  const now = at(2026, 2, 30, 0, 20);

  it("goes by the calendar, not by spans of 24 hours", () => {
    expect(dayLabel(at(2026, 2, 30, 0, 5), now, NAMES)).toBe("Today");
    expect(dayLabel(at(2026, 2, 29, 0, 1), now, NAMES)).toBe("Yesterday");
    expect(dayLabel(at(2026, 2, 28, 23, 59), now, NAMES)).toMatch(/Saturday.*28 March$/);
    expect(dayLabel(at(2025, 2, 30), now, NAMES)).toMatch(/Sunday.*30 March 2025$/);
  });

  it("knows no tomorrow", () => expect(dayLabel(at(2026, 3, 2), now, NAMES)).toBe("Today"));

  it("groups neighbours and keeps the order", () => {
    const list = [kept("a", now - 1), kept("b", at(2026, 2, 29, 20)), kept("c", at(2026, 2, 29, 8))];
    const days = byDay(list, now, NAMES);
    expect(days.map(({ label, conversations }) => [label, conversations.map(({ id }) => id)])).toEqual([
      ["Today", ["a"]],
      ["Yesterday", ["b", "c"]],
    ]);
    expect(byDay([], now, NAMES)).toEqual([]);
  });

  it("tells the time as the reader does", () => {
    expect(clockTime(at(2026, 2, 30, 15, 4), "en-GB")).toBe("15:04");
  });
});

describe("the reader's locale", () => {
  it("is the browser's, in the language of the page", () => {
    expect(localeOf("en", ["de-CH", "en-GB", "en-US"])).toBe("en-GB");
    expect(localeOf("en", ["de", "eng"])).toBe("en");
  });
});

describe("marking", () => {
  const found = (text: string, query: string) =>
    mark(text, query)
      .filter(({ isFound }) => isFound)
      .map(({ text: part }) => part);

  it("finds each word wherever it stands", () => {
    expect(found("High tide, low tide", "tide high")).toEqual(["High", "tide", "tide"]);
  });

  it("does not mind case and accents", () => {
    expect(found("Un Café à Zürich", "cafe zurich")).toEqual(["Café", "Zürich"]);
    expect(found("Cafe\u0301 noir", "café")).toEqual(["Cafe\u0301"]);
  });

  it("joins what overlaps, and loses nothing", () => {
    const parts = mark("tidal tide", "tid tidal");
    expect(parts).toEqual([
      { text: "tidal", isFound: true },
      { text: " ", isFound: false },
      { text: "tid", isFound: true },
      { text: "e", isFound: false },
    ]);
  });

  it.each([
    ["", "x"],
    ["no match", "zebra"],
    ["signs (only)", "()*"],
    ["𝕏 and ﬁne 😀", "fine x"],
  ])("gives %j back whole", (text, query) => {
    expect(
      mark(text, query)
        .map((part) => part.text)
        .join(""),
    ).toBe(text);
  });

  it("takes a query apart into words", () =>
    expect(wordsOf(" What's  ÜBER-all? ")).toEqual(["what", "s", "uber", "all"]));
});

describe("listing", () => {
  const pages = (...sizes: number[]) => {
    let page = 0;
    return vi.fn(async (_query: string, _after: string | null) => {
      const size = sizes[page] ?? 0;
      const data = Array.from({ length: size }, (_, i) => kept(`${page}.${i}`));
      page++;
      return { data, hasMore: page < sizes.length };
    });
  };

  it("loads one page to begin with", async () => {
    const ask = pages(2, 2);
    expect(await loadUpTo(0, "tide", ask)).toMatchObject({ hasMore: true, data: { length: 2 } });
    expect(ask.mock.calls).toEqual([["tide", null]]);
  });

  it("loads as many as were shown", async () => {
    const ask = pages(2, 2, 2);
    expect((await loadUpTo(3, "", ask)).data).toHaveLength(4);
    expect(ask.mock.calls).toEqual([
      ["", null],
      ["", "0.1"],
    ]);
  });

  it("does not ask for ever where a page is empty", async () => {
    const ask = vi.fn(async () => ({ data: [], hasMore: true }));
    expect(await loadUpTo(5, "", ask)).toEqual({ data: [], hasMore: false });
    expect(ask).toHaveBeenCalledTimes(1);
  });

  it("shows none twice", () => {
    expect(append([kept("a"), kept("b")], [kept("b"), kept("c")]).map(({ id }) => id)).toEqual([
      "a",
      "b",
      "c",
    ]);
  });

  it("keeps where it was found when it is renamed", () => {
    const list = [kept("a", 0, { snippet: "here" }), kept("b")];
    expect(rename(list, kept("a", 0, { title: "New" }))).toEqual([
      kept("a", 0, { title: "New", snippet: "here" }),
      kept("b"),
    ]);
  });

  it("finds the row that is next", () => {
    const list = [kept("a"), kept("b"), kept("c")];
    expect(neighbour(list, "a")).toBe("b");
    expect(neighbour(list, "c")).toBe("b");
    expect(neighbour([kept("a")], "a")).toBeNull();
  });

  it("makes a trouble of anything", () => {
    const gone = new KeptTrouble("gone", "");
    expect(troubleOf(gone)).toBe(gone);
    expect(troubleOf(new Error("odd")).kind).toBe("away");
  });
});

describe("occasion", () => {
  const open = { ...INITIAL, link: "open" as const, conversationId: "conv_1" };
  const entry = {
    id: "a",
    role: "user" as const,
    atMs: 0,
    status: "final" as const,
    text: "Hello",
    cues: [],
    audioMs: 0,
    heardMs: 0,
    isSpoken: false,
    kept: null,
    tool: null,
  };

  it("comes with the first words, and not with every word", () => {
    const said = { ...open, entries: [entry] };
    expect(occasion({ ...open, entries: [{ ...entry, status: "tentative" as const }] })).toBe(occasion(open));
    expect(occasion(said)).not.toBe(occasion(open));
    expect(occasion({ ...said, entries: [entry, { ...entry, id: "b" }] })).toBe(occasion(said));
    expect(occasion({ ...said, isPlaying: true })).toBe(occasion(said));
  });

  it("comes with a talk that begins or ends", () => {
    expect(occasion({ ...open, link: "ended" })).not.toBe(occasion(open));
    expect(occasion({ ...open, conversationId: "conv_2" })).not.toBe(occasion(open));
  });
});
