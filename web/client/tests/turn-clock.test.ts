import { describe, expect, it } from "vitest";
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
    clock.speechStarted(900);
    clock.speechStopped(endMs);
    clock.arrived(102.6);
    expect(clock.answered(102.7)).toEqual({ endEarlierMs: endMs - 2000, arrivedMs: 600, audibleMs: 700 });
  });

  it("takes the server's last word on where speech ended, within a frame too", () => {
    const clock = heard(turn);
    clock.speechStarted(900);
    clock.speechStopped(2600);
    clock.speechStopped(2093);
    expect(clock.answered(102.7)?.endEarlierMs).toBe(93);
  });

  it("knows of an end that the server puts too early", () => {
    const clock = heard(turn);
    clock.speechStarted(900);
    clock.speechStopped(1800);
    expect(clock.answered(102.7)).toEqual({ endEarlierMs: -200, arrivedMs: 700, audibleMs: 700 });
  });

  it("sets the server's count against its own, where the browser sends by itself", () => {
    const clock = new TurnClock();
    turn.forEach((rms, i) => {
      clock.hear(rms, 100 + (i + 1) * 0.02);
      // The first 3 packets left before the first frame; a look is off by a packet at most.
      if (i % 25 === 24) clock.align((i + 1) * 20 + 60 + (i === 49 ? 20 : 0));
    });
    clock.speechStarted(960);
    clock.speechStopped(2060);
    expect(clock.answered(102.7)).toEqual({ endEarlierMs: 0, arrivedMs: 700, audibleMs: 700 });
  });

  it("gives each turn one figure", () => {
    const clock = heard(turn);
    clock.speechStarted(900);
    clock.speechStopped(2000);
    expect(clock.answered(102.7)).not.toBeNull();
    expect(clock.answered(103)).toBeNull();
  });

  it("gives none while the user speaks, or where there was no speech", () => {
    const clock = heard(turn);
    expect(clock.answered(102.7)).toBeNull();
    clock.speechStarted(900);
    expect(clock.answered(102.7)).toBeNull();
  });

  it("gives none where the voice does not stand clear of the room", () => {
    const clock = heard(turn.map((rms) => Math.max(rms, 0.05)));
    clock.speechStarted(900);
    clock.speechStopped(2000);
    expect(clock.answered(102.7)).toBeNull();
  });

  it("gives none where it is loud beyond what the server took for the end", () => {
    const clock = heard([...turn.slice(0, 100), ...frames(15, VOICE), ...frames(35, ROOM)]);
    clock.speechStarted(900);
    clock.speechStopped(2000);
    expect(clock.answered(102.7)).toBeNull();
  });

  it("gives none where the server's end lies beyond what was heard", () => {
    const clock = heard(turn);
    clock.speechStarted(900);
    clock.speechStopped(3200);
    expect(clock.answered(103.5)).toBeNull();
  });

  it("still counts rightly after more than it keeps", () => {
    const clock = heard([...frames(3000, ROOM), ...turn]);
    clock.speechStarted(60_900);
    clock.speechStopped(62_000);
    expect(clock.answered(162.5)).toEqual({ endEarlierMs: 0, arrivedMs: 500, audibleMs: 500 });
  });
});
