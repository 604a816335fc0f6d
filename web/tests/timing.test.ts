import type { Entries, ServerTiming, TurnTiming } from "duologue-client";
import { stagesOf } from "duologue-client";
import { describe, expect, it } from "vitest";
import { newEntry } from "../client/src/realtime/entries";
import { tellColumn } from "../src/view/timing/chart";
import { asCsv } from "../src/view/timing/csv";
import {
  differenceOf,
  isRestored,
  quantile,
  slowestOf,
  summaryOf,
  ticksOf,
  topOf,
  wordsKnownMs,
} from "../src/view/timing/figures";
import { explained } from "../src/view/timing/sources";
import { overview } from "../src/view/timing/summary";
import { slowestLine, sumLine, tellStage } from "../src/view/timing/waterfall";

const SERVER: ServerTiming = {
  committedMs: 512,
  wordsMs: 300,
  textMs: 420,
  phraseMs: 540,
  spokenMs: 590,
  sentMs: 592,
};

function turn(more: Partial<TurnTiming> = {}): TurnTiming {
  const page = { endEarlierMs: 40, arrivedMs: 665, audibleMs: 740 };
  return { replyId: "r", itemId: "i", atMs: 0, server: SERVER, page, dropped: 0, droppedMs: 0, ...more };
}

describe("one answer", () => {
  it("is named by what was waited for the longest, and its parts add up", () => {
    const stages = stagesOf(turn());
    expect(slowestLine(turn(), stages)).toBe("Slowest: endpointing, 552 of 740 ms");
    expect(sumLine(stages, "740 ms")).toBe("552 + 28 + 50 + 35 + 75 = 740 ms");
  });

  it("tells of each stage when it was, and whether anybody waited for it", () => {
    const told = stagesOf(turn()).map(tellStage);
    expect(told[1]).toContain("Made ahead, from 0 ms to 340 ms");
    expect(told[3]).toContain("92 ms made ahead, 28 ms waited for");
    expect(told[4]).toContain("From 580 ms to 630 ms, 50 ms of it waited for");
  });

  it("has nothing slow where nothing was waited for, or measured", () => {
    expect(slowestOf([])).toBeNull();
    expect(slowestLine(turn(), [])).toBe("There was nothing to wait for");
    expect(slowestLine(turn({ server: null, page: null }), [])).toBe("Not measured");
    expect(slowestLine(turn({ server: null }), stagesOf(turn({ server: null })))).toContain("Not known");
    expect(wordsKnownMs(stagesOf(turn({ server: null })))).toBeNull();
  });
});

describe("the page's figure and the server's", () => {
  it.each([40, 0, -25])("differ by their parts, with the end of speech earlier by %s ms", (endEarlierMs) => {
    const apart = differenceOf(turn({ page: { endEarlierMs, arrivedMs: 665.4, audibleMs: 740.3 } }));
    expect(apart).toMatchObject({ pageMs: 740, serverMs: 592, endEarlierMs });
    const { networkMs = 0, bufferMs = 0 } = apart ?? {};
    expect(networkMs + bufferMs + endEarlierMs).toBe(740 - 592);
  });

  it("are explained in a sentence, and what is missing is told", () => {
    const answers = [newEntry("r", "assistant", {})];
    const told = (timing: TurnTiming, entries: Entries = []) =>
      explained(timing, isRestored(timing, entries));
    expect(told(turn())).toContain("33 ms on the network, up and down, 75 ms in the browser’s buffer");
    expect(told(turn())).toContain("and 40 ms since the page puts the end of your speech earlier");
    expect(told(turn({ page: null }))).toContain("could not tell when you stopped speaking");
    expect(told(turn({ page: null }), answers)).toContain("opened again later");
    const typed = { endEarlierMs: 0, arrivedMs: 61, audibleMs: 513 };
    expect(told(turn({ server: null, page: typed }))).toContain("513 ms after you sent your message");
    expect(slowestLine(turn({ server: null, page: typed }), [])).toBe("Asked in writing");
    expect(told(turn({ server: null }))).toContain("told no times");
  });
});

describe("all answers", () => {
  const slow = turn({ server: null, page: { endEarlierMs: 0, arrivedMs: 9000, audibleMs: 10_000 } });

  it("have quantiles that were seen", () => {
    expect(quantile([], 0.5)).toBeNull();
    expect(quantile([5, 1, 3], 0.5)).toBe(3);
    expect(quantile([5, 1, 3, 4], 0.95)).toBe(5);
    expect(quantile([7], 0)).toBe(7);
  });

  it("are summed up by stage, and held to the targets", () => {
    // Nobody spoke before the last one.
    const { source, stages, total, words, sent, totalsMet, wordsMet } = summaryOf([turn(), turn(), slow]);
    expect(source).toBe("page");
    expect(stages.find(({ name }) => name === "endpointing")).toMatchObject({
      spread: { p50: 552, p95: 552, count: 2 },
      share: 552 / 740,
    });
    expect(stages.find(({ name }) => name === "buffer")?.spread).toEqual({ p50: 75, p95: 75, count: 2 });
    expect(total).toEqual({ p50: 740, p95: 740, count: 2 });
    expect([words?.count, sent?.count, totalsMet, wordsMet]).toEqual([2, 2, 0, 2]);
  });

  it("are counted like with like, and it is said whose figures they are", () => {
    const sent = turn({ page: null });
    const all = summaryOf([turn(), sent, sent]);
    expect([all.source, all.total, all.sent?.count]).toEqual(["page", { p50: 740, p95: 740, count: 1 }, 3]);
    expect(all.stages.every(({ spread }) => spread.count === 1)).toBe(true);
    expect(overview([turn(), turn(), sent])).toMatch(
      /Counted: the 2 of 3 that .* on this page\. Half of them were heard within 740 ms, all within/,
    );
    expect(overview([turn(), sent])).toContain("measured on this page. It was heard after 740 ms");
    expect(summaryOf([sent, sent])).toMatchObject({ source: "server", total: { p50: 592, count: 2 } });
    expect(overview([sent, sent])).toContain("The server sent half of them within 592 ms");
    expect(overview([sent, sent])).toContain("The largest part of the wait is endpointing: 86\u00a0% of it.");
    expect(tellColumn(sent, 2)).toContain("592 ms until it was sent");
  });

  it("are drawn so that one slow answer does not make slivers of the rest", () => {
    expect(topOf([])).toBe(600);
    expect(topOf([200, 250, 220])).toBe(600);
    expect(topOf([700, 900, 800])).toBe(900);
    expect(topOf([700, 900, 800, 10_000, 750])).toBe(1400);
    expect(topOf([9000, 10_000])).toBe(10_000);
  });

  it("have ticks at round numbers", () => {
    expect(ticksOf(600, 4)).toEqual([0, 200, 400, 600]);
    expect(ticksOf(10_000, 4)).toEqual([0, 5000, 10_000]);
  });

  it("become a table for other programs", () => {
    const said = newEntry("i", "user", { text: '=1+1, "please"' });
    const [head, line, next, end] = asCsv(
      [turn({ dropped: 1, droppedMs: 80.4 }), { ...slow, itemId: null }],
      [said],
    ).split("\r\n");
    expect(head?.split(",").slice(0, 4)).toEqual(["answer", "at", "said", "total_ms"]);
    expect(line).toContain(`1,1970-01-01T00:00:00.000Z,"'=1+1, ""please""",740,740,592,40,0,552,552,0,340,0`);
    expect(line?.endsWith(",1,80")).toBe(true);
    expect(next?.split(",").length).toBe(head?.split(",").length);
    expect(end).toBe("");
  });
});
