import { describe, expect, it } from "vitest";
import { delayMs, isAccident, isForgotten, isSilence, Reconnection } from "../src/realtime/reconnect";

/** A clock that only goes on while somebody sleeps. `random` is always its upper end: no jitter. */
function clock() {
  const slept: number[] = [];
  let nowMs = 0;
  return {
    slept,
    nowMs: () => nowMs,
    random: () => 1,
    sleep: async (ms: number) => {
      slept.push(ms);
      nowMs += ms;
    },
  };
}

describe("the tries to reconnect", () => {
  it("come within a second, and ever more seldom, up to five", async () => {
    const time = clock();
    const tries = new Reconnection(time);
    for (let i = 0; i < 6; i++) expect(await tries.turn()).toBe(true);
    expect(time.slept).toEqual([1000, 2000, 4000, 5000, 5000, 5000]);
  });

  it("end after two minutes", async () => {
    const time = clock();
    const tries = new Reconnection(time);
    let count = 0;
    while (await tries.turn()) count += 1;
    expect(time.nowMs()).toBe(120_000);
    expect(count).toBeGreaterThan(20);
  });

  it("do not come from all pages at one moment, the first neither", () => {
    for (const [count, most] of [
      [0, 1000],
      [1, 2000],
      [30, 5000],
    ] as const) {
      const delays = [0, 0.2, 0.4, 0.6, 0.8, 1].map((random) => delayMs(count, random));
      expect(new Set(delays).size).toBe(delays.length);
      expect(Math.min(...delays)).toBe(most / 4);
      expect(Math.max(...delays)).toBe(most);
    }
  });

  it("go on as seldom, and end, where the line falls again as soon as it stands", async () => {
    const time = clock();
    const tries = new Reconnection(time);
    let count = 0;
    while (await tries.turn()) {
      tries.stands();
      count += 1;
    }
    expect(time.slept.slice(0, 4)).toEqual([1000, 2000, 4000, 5000]);
    expect(time.nowMs()).toBe(120_000);
    expect(count).toBeLessThan(30);
  });

  it("begin anew once the line has stood for 10 s", async () => {
    const time = clock();
    const tries = new Reconnection(time);
    for (let i = 0; i < 4; i++) await tries.turn();
    tries.stands();
    await time.sleep(10_000);
    await tries.turn();
    expect(time.slept.at(-1)).toBe(1000);
  });

  it("come at once when the network is back", async () => {
    const tries = new Reconnection({ ...clock(), sleep: () => new Promise(() => {}) });
    const turn = tries.turn();
    tries.nudge();
    expect(await turn).toBe(true);
  });

  it("stop when the user hangs up", async () => {
    const tries = new Reconnection({ ...clock(), sleep: () => new Promise(() => {}) });
    const turn = tries.turn();
    tries.stop();
    expect(await turn).toBe(false);
    expect(await tries.turn()).toBe(false);
  });
});

describe("a loss", () => {
  const closed = (code: number) => isAccident({ kind: "closed", code, reason: "", wasOpen: true });

  it("is an accident unless the server decided it", () => {
    for (const code of [1001, 1005, 1006, 1011, 1012]) expect(closed(code), String(code)).toBe(true);
    for (const code of [1000, 1008, 4000, 4401]) expect(closed(code), String(code)).toBe(false);
    expect(isAccident({ kind: "broken" })).toBe(true);
    expect(isAccident({ kind: "slow" })).toBe(true);
    expect(isAccident({ kind: "ended" })).toBe(false);
    expect(isAccident({ kind: "ended", code: "session_expired" })).toBe(true);
  });

  it("is told from a conversation that is gone, and from an answer", () => {
    expect(isForgotten({ kind: "refused", status: 404, code: "conversation_not_found" })).toBe(true);
    expect(isForgotten({ kind: "refused", status: 404 })).toBe(false);
    expect(isSilence({ kind: "unanswered" })).toBe(true);
    expect(isSilence({ kind: "refused", status: 500 })).toBe(false);
  });
});
