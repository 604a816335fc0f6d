import { describe, expect, it } from "vitest";
import type { PageTiming } from "../src/realtime/timing";
import { TurnClock } from "../src/realtime/turn-clock";

const ROOM = 0.001;
const VOICE = 0.1;

/** A clock that heard `levels` in frames of 20 ms, the first of which ended at 100.02 s. */
function heard(levels: number[]): TurnClock {
  const clock = new TurnClock();
  levels.forEach((rms, i) => {
    clock.hear(rms, 100 + (i + 1) * 0.02);
  });
  return clock;
}

const frames = (count: number, rms: number) => new Array<number>(count).fill(rms);
// Room for 1 s, voice for 1 s, room for 1 s: the voice ends at 102 s.
const turn = [...frames(50, ROOM), ...frames(50, VOICE), ...frames(50, ROOM)];

describe("TurnClock", () => {
  it.each([1900, 2000, 2600])("counts from the last voiced frame when the server says %d ms", (endMs) => {
    const clock = heard(turn);
    clock.speechStarted(900, 101.1);
    clock.speechStopped(endMs, 102.65);
    clock.arrived(102.6);
    expect(clock.answered(102.7)).toEqual({ endEarlierMs: endMs - 2000, arrivedMs: 600, audibleMs: 700 });
  });

  it("takes the server's last word on where speech ended, within a frame too", () => {
    const clock = heard(turn);
    clock.speechStarted(900, 101.1);
    clock.speechStopped(2600, 102.65);
    clock.speechEnded(2093);
    expect(clock.answered(102.7)?.endEarlierMs).toBe(93);
  });

  it("knows of an end that the server puts too early", () => {
    const clock = heard(turn);
    clock.speechStarted(900, 101.1);
    clock.speechStopped(1800, 102.4);
    expect(clock.answered(102.7)).toEqual({ endEarlierMs: -200, arrivedMs: 700, audibleMs: 700 });
  });

  it("sets the server's count against its own, where the browser sends by itself", () => {
    const clock = new TurnClock();
    turn.forEach((rms, i) => {
      clock.hear(rms, 100 + (i + 1) * 0.02);
      // The first 3 packets left before the first frame; a look is off by a packet at most.
      if (i % 25 === 24) clock.align((i + 1) * 20 + 60 + (i === 49 ? 20 : 0), 100 + (i + 1) * 0.02);
    });
    clock.speechStarted(960, 101.2);
    clock.speechStopped(2060, 102.7);
    expect(clock.answered(102.7)).toEqual({ endEarlierMs: 0, arrivedMs: 700, audibleMs: 700 });
  });

  it("gives each turn one figure", () => {
    const clock = heard(turn);
    clock.speechStarted(900, 101.1);
    clock.speechStopped(2000, 102.6);
    expect(clock.answered(102.7)).not.toBeNull();
    expect(clock.answered(103)).toBeNull();
  });

  it("gives none while the user speaks, or where there was no speech", () => {
    const clock = heard(turn);
    expect(clock.answered(102.7)).toBeNull();
    clock.speechStarted(900, 101.1);
    expect(clock.answered(102.7)).toBeNull();
  });

  it("gives none where the voice does not stand clear of the room", () => {
    const clock = heard(turn.map((rms) => Math.max(rms, 0.05)));
    clock.speechStarted(900, 101.1);
    clock.speechStopped(2000, 102.6);
    expect(clock.answered(102.7)).toBeNull();
  });

  it("gives none where it is still loud when the server takes it for over", () => {
    const clock = heard([...turn.slice(0, 100), ...frames(15, VOICE), ...frames(35, ROOM)]);
    clock.speechStarted(900, 101.1);
    clock.speechStopped(2000, 102.2);
    expect(clock.answered(102.7)).toBeNull();
  });

  it("does not take a noise after the end for speech", () => {
    const clock = heard([...turn.slice(0, 120), ...frames(1, VOICE), ...frames(29, ROOM)]);
    clock.speechStarted(900, 101.1);
    clock.speechStopped(2000, 102.6);
    expect(clock.answered(102.7)?.audibleMs).toBe(700);
  });

  it("needs no count of what was sent, where a device sends nothing in silence", () => {
    const clock = new TurnClock();
    const talk = Array.from({ length: 10 }, () => turn).flat();
    const answers: (PageTiming | null)[] = [];
    talk.forEach((rms, i) => {
      const [endMs, nowS] = [(i + 1) * 20, 100 + (i + 1) * 0.02];
      clock.hear(rms, nowS);
      const inTurnMs = endMs % 3000;
      // Of each turn's three seconds one leaves; the server fills in the others.
      if (inTurnMs % 1000 === 0) clock.align(Math.ceil(endMs / 3000) * 1000, nowS);
      if (inTurnMs === 1200) clock.speechStarted(endMs - 300, nowS);
      if (inTurnMs === 2600) clock.speechStopped(endMs - 580, nowS);
      if (inTurnMs === 2800) answers.push(clock.answered(nowS));
    });
    expect(answers.map((each) => each?.audibleMs)).toEqual(Array(10).fill(800));
    for (const each of answers) expect(Math.abs(each?.endEarlierMs ?? 1000)).toBeLessThanOrEqual(300);
  });

  it("counts frames that it was not told of yet as heard", () => {
    const clock = new TurnClock();
    turn.forEach((rms, i) => {
      clock.hear(rms, 100 + (i + 1) * 0.02);
      if (i % 25 === 24) clock.align((i + 1) * 20 + 200, 100 + (i + 1) * 0.02 + 0.2);
    });
    clock.speechStarted(900, 101.1);
    clock.speechStopped(2000, 102.6);
    expect(clock.answered(102.7)).toEqual({ endEarlierMs: 0, arrivedMs: 700, audibleMs: 700 });
  });

  it("still counts rightly after more than it keeps", () => {
    const clock = heard([...frames(3000, ROOM), ...turn]);
    clock.speechStarted(60_900, 161.1);
    clock.speechStopped(62_000, 162.6);
    expect(clock.answered(162.5)).toEqual({ endEarlierMs: 0, arrivedMs: 500, audibleMs: 500 });
  });
});
