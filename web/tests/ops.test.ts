import type { VNode } from "preact";
import { afterEach, describe, expect, it, vi } from "vitest";
import { lines, remember, type Sample, SPAN_S, sampleOf, topOf } from "../src/ops/history";
import { bins, duration, ms, newcomers, percent, spelt } from "../src/ops/numbers";
import { AdmissionPanel, TurnTakingPanel } from "../src/ops/panels";
import { Poll } from "../src/ops/poll";
import type { Admission, Load, OpsState } from "../src/ops/wire";

const sample = (atS: number, sessions: number, voiceMs: number | null = null): Sample => ({
  atS,
  sessions,
  voiceMs,
  lagMs: 0,
});

describe("numbers", () => {
  it.each([
    [null, "–"],
    [0, "0 ms"],
    [0.44, "0.4 ms"],
    [9.96, "10.0 ms"],
    [412.4, "412 ms"],
    [1234, "1.2 s"],
    [12_345, "12 s"],
  ])("%s as a time is %s", (value, text) => {
    expect(ms(value)).toBe(text);
  });

  it.each([
    [7.9, "7 s"],
    [192, "3 min"],
    [1999, "33 min"],
    [7500, "2 h 5 min"],
    [200_000, "2 d 7 h"],
  ])("%s s are %s", (value, text) => {
    expect(duration(value)).toBe(text);
  });

  it("puts batch sizes in bins that double", () => {
    expect(bins({ 1: 10, 2: 5, 3: 1, 4: 1, 9: 20 }).map(({ label, count }) => [label, count])).toEqual([
      ["1", 10],
      ["2", 5],
      ["3–4", 2],
      ["5–8", 0],
      ["9–16", 20],
    ]);
    expect(bins({ 1: 10, 2: 5 }).map(({ share }) => share)).toEqual([1, 0.5]);
    expect(bins({})).toEqual([]);
  });

  it("says shares of one in whole percents", () => {
    expect([0, 0.126, 1].map(percent)).toEqual(["0 %", "13 %", "100 %"]);
  });

  it("says codes as words", () => {
    expect(spelt("session_limit_reached")).toBe("session limit reached");
  });
});

describe("the last five minutes", () => {
  it("forget what is older", () => {
    let samples: Sample[] = [];
    for (let atS = 0; atS <= 2 * SPAN_S; atS += 1) samples = remember(samples, sample(atS, 1));
    expect(samples).toHaveLength(SPAN_S);
    expect(samples[0]?.atS).toBe(SPAN_S + 1);
  });

  it("end at the right edge, the largest at the top", () => {
    const samples = [sample(0, 1), sample(SPAN_S / 2, 4), sample(SPAN_S - 1, 2)];
    const now = [...samples.map(({ atS, sessions }) => sample(atS + 1, sessions))];
    expect(topOf(now, "sessions")).toBe(4);
    expect(lines(now.slice(2), "sessions", 300, 40)).toEqual(["300.0,0.0"]);
    expect(lines([sample(0, 0), sample(60, 4)], "sessions", 300, 40)).toEqual(["240.0,40.0 300.0,0.0"]);
  });

  it("have gaps where nothing was known, or nobody asked", () => {
    const samples = [
      sample(0, 1, 300),
      sample(1, 1, 300),
      sample(2, 1),
      sample(3, 1, 300),
      sample(103, 1, 300),
    ];
    expect(lines(samples, "voiceMs", 300, 40)).toHaveLength(3);
  });
});

const STATE = {
  sessions: [{}, {}],
  stages: { voice_to_voice: { p50_ms: 300, p95_ms: 500, count: 9 } },
  load: { loop_lag_p95_ms: 3 },
} as unknown as OpsState;

it("keeps of each answer what is drawn", () => {
  expect(sampleOf(STATE, 5)).toEqual({ atS: 5, sessions: 2, voiceMs: 500, lagMs: 3 });
});

const ADMISSION: Admission = {
  most: 14,
  capacity: 14,
  taken: 3,
  called: 0,
  waiting: 0,
  most_waiting: 8,
  closed_by: "",
  admitted: 3,
  queued: 0,
  refused: {},
};

describe("admission", () => {
  it.each<[Partial<Admission>, string]>([
    [{}, "get in"],
    [{ closed_by: "max_sessions" }, "wait in line: max_sessions is reached"],
    [{ closed_by: "max_sessions", waiting: 8 }, "are refused: max_sessions is reached"],
    [
      { closed_by: "prediction" },
      "wait in line: with one more all would be answered too late, by the prediction",
    ],
    [{ closed_by: "pressure" }, "wait in line: the server is behind with its work (pressure)"],
    [{ closed_by: "warming_up" }, "are refused: the server is not ready"],
  ])("with %j tells newcomers that they %s", (now, told) => {
    expect(newcomers({ ...ADMISSION, ...now })).toBe(told);
  });

  it("does not call the predicted reaction a turn's whole delay", () => {
    const load = { p90_now_ms: 0, p90_next_ms: 0, target_ms: 500 } as Load;
    const facts = shownIn(AdmissionPanel({ admission: ADMISSION, load }));
    expect(facts.get("Reaction after a turn's end, slowest tenth, predicted")).toBe("0 ms");
    expect([...facts.keys()]).not.toContain("Slowest tenth of turns, predicted");
  });
});

describe("turn-taking", () => {
  it("shows the share of answers begun in a pause that were kept, and what sounded over answers", () => {
    const turns = { kept: 3, dropped: 1, dropped_s: 0.25, verdicts: { backchannel: 2, noise: 1 } };
    const facts = shownIn(TurnTakingPanel({ turns }));
    expect(facts.get("Answers begun in a pause and kept")).toBe("75 % of 4");
    expect(facts.get("Engine time in those that were dropped")).toBe("250 ms");
    expect(facts.get("Sounds over an answer")).toBe("2 backchannel, 1 noise");
  });

  it("does not divide by nothing", () => {
    const facts = shownIn(TurnTakingPanel({ turns: { kept: 0, dropped: 0, dropped_s: 0, verdicts: {} } }));
    expect(facts.get("Answers begun in a pause and kept")).toBe("none yet");
    expect(facts.get("Sounds over an answer")).toBe("none");
  });
});

/** The rows of a panel that holds nothing but facts. */
function shownIn(panel: VNode): Map<string, unknown> {
  const facts = (panel.props.children as VNode<{ facts: [string, unknown][] }>).props.facts;
  return new Map(facts);
}

class Ring {
  key: string | null = null;
  keep(key: string): void {
    this.key = key;
  }
  forget(): void {
    this.key = null;
  }
}

describe("asking", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  function serverWith(answers: (Response | null)[]): { poll: Poll; keys: (string | undefined)[] } {
    vi.useFakeTimers();
    vi.stubGlobal("document", { baseURI: "http://localhost:8000/ops/" });
    const keys: (string | undefined)[] = [];
    vi.stubGlobal("fetch", async (url: URL, { headers }: { headers: Record<string, string> }) => {
      expect(url.pathname).toBe("/ops/state");
      keys.push(headers.Authorization);
      const next = answers.shift();
      if (!next) throw new TypeError("Failed to fetch");
      return next;
    });
    return { poll: new Poll(new Ring() as never), keys };
  }

  const fine = () => new Response(JSON.stringify(STATE));

  it("goes on each second, and shows the last figures while the server is away", async () => {
    const { poll, keys } = serverWith([fine(), null, fine()]);
    await poll.run();
    expect(poll.view).toMatchObject({ trouble: null, samples: [{ sessions: 2 }] });
    await vi.advanceTimersByTimeAsync(1000);
    expect(poll.view).toMatchObject({ trouble: { kind: "away" }, state: { sessions: [{}, {}] } });
    await vi.advanceTimersByTimeAsync(1000);
    expect(poll.view).toMatchObject({ trouble: null });
    expect(poll.view.samples).toHaveLength(2);
    expect(keys).toEqual([undefined, undefined, undefined]);
  });

  it("asks for a key once, and does not guess on", async () => {
    const shut = () => new Response("{}", { status: 401 });
    const { poll, keys } = serverWith([shut(), shut(), fine()]);
    await poll.run();
    expect(poll.view.trouble).toEqual({ kind: "key-needed" });
    await vi.advanceTimersByTimeAsync(5000);
    expect(keys).toHaveLength(1);
    poll.unlock("wrong");
    await vi.advanceTimersByTimeAsync(0);
    expect(poll.view.trouble).toMatchObject({ kind: "key-wrong" });
    poll.unlock("right");
    await vi.advanceTimersByTimeAsync(0);
    expect(poll.view.trouble).toBeNull();
    expect(keys).toEqual([undefined, "Bearer wrong", "Bearer right"]);
  });
});
