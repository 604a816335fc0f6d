import { describe, expect, it } from "vitest";
import { EventLog } from "../src/realtime/log";

/** A log whose watchers are told when `pass` is called. */
function logged() {
  const waiting: (() => void)[] = [];
  const log = new EventLog((run) => void waiting.push(run));
  return { log, pass: () => waiting.splice(0).forEach((run) => void run()) };
}

const append = (bytes: number) => ({
  type: "input_audio_buffer.append",
  audio: btoa("x".repeat(bytes)),
});
const delta = (response_id: string) => ({
  type: "response.output_audio.delta",
  response_id,
  delta: "AAAA",
});

describe("the log", () => {
  it("keeps events in order, both ways", () => {
    const { log } = logged();
    log.note("server", { type: "session.created" }, 5);
    log.note("client", { type: "session.update" }, 6);
    expect(log.events).toEqual([
      { number: 1, atMs: 5, from: "server", type: "session.created", event: { type: "session.created" } },
      { number: 2, atMs: 6, from: "client", type: "session.update", event: { type: "session.update" } },
    ]);
  });

  it("shortens sound, and makes one event of a second of it", () => {
    const { log } = logged();
    for (const [i, bytes] of [959, 960, 961].entries()) {
      log.note("client", append(bytes), 20 * i);
      log.note("server", delta("r"), 20 * i);
    }
    log.note("server", delta("s"), 60);
    log.note("client", append(10), 1500);
    expect(log.events.map(({ event, count }) => [event, count])).toEqual([
      [{ type: "input_audio_buffer.append", audio: "<2880 bytes>" }, 3],
      [{ type: "response.output_audio.delta", response_id: "r", delta: "<9 bytes>" }, 3],
      [{ type: "response.output_audio.delta", response_id: "s", delta: "<3 bytes>" }, undefined],
      [{ type: "input_audio_buffer.append", audio: "<10 bytes>" }, undefined],
    ]);
  });

  it("tells watchers once of all that came meanwhile", () => {
    const { log, pass } = logged();
    let told = 0;
    const stop = log.watch(() => {
      told += 1;
    });
    for (let i = 0; i < 50; i++) log.note("server", { type: "response.created" }, i);
    expect(told).toBe(0);
    pass();
    expect(told).toBe(1);
    log.clear();
    pass();
    expect([told, log.events.length]).toEqual([2, 0]);
    stop();
    log.note("server", { type: "response.created" }, 60);
    pass();
    expect(told).toBe(2);
  });

  it("holds the newest, and gives the same list until there is news", () => {
    const { log } = logged();
    for (let i = 0; i < 5000; i++) log.note("server", { type: "response.created" }, i);
    expect(log.events.length).toBe(2000);
    expect(log.events.at(-1)?.number).toBe(5000);
    const before = log.events;
    expect(log.events).toBe(before);
    log.note("server", { type: "response.done" }, 1);
    expect(log.events).not.toBe(before);
  });
});
