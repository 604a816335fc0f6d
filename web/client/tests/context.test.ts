import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { keepRunning } from "../src/audio/context";

/** As a browser has it: it does not start before it may, and says so by an event when it has. */
class StandIn extends EventTarget {
  state: AudioContextState | "interrupted" = "suspended";
  mayRun = false;

  async resume(): Promise<void> {
    if (this.mayRun) this.become("running");
    else await new Promise(() => {});
  }

  become(state: StandIn["state"]): void {
    this.state = state;
    this.dispatchEvent(new Event("statechange"));
  }
}

describe("keepRunning", () => {
  const told: boolean[] = [];
  let context: StandIn;
  let stop: () => void;

  const keep = () => {
    stop = keepRunning(context as unknown as AudioContext, (isSilent) => told.push(isSilent));
  };

  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("document", new EventTarget());
    told.length = 0;
    context = new StandIn();
  });

  afterEach(() => {
    stop();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it("says nothing of a context that soon runs", () => {
    context.mayRun = true;
    keep();
    vi.advanceTimersByTime(5000);
    expect(context.state).toBe("running");
    expect(told).toEqual([]);
  });

  it.each(["pointerup", "keydown", "visibilitychange"])(
    "waits for %s where the browser wants it",
    (event) => {
      keep();
      vi.advanceTimersByTime(1000);
      expect(told).toEqual([true]);
      context.mayRun = true;
      document.dispatchEvent(new Event(event));
      expect(context.state).toBe("running");
      expect(told).toEqual([true, false]);
    },
  );

  it("comes back by itself after an interruption, and tells of a long one", () => {
    context.mayRun = true;
    keep();
    context.mayRun = false;
    context.become("interrupted");
    vi.advanceTimersByTime(3000);
    expect(told).toEqual([true]);
    context.mayRun = true;
    context.become("suspended");
    expect(told).toEqual([true, false]);
  });

  it("tells nothing once it is over", () => {
    keep();
    stop();
    vi.advanceTimersByTime(5000);
    document.dispatchEvent(new Event("keydown"));
    expect(told).toEqual([]);
  });
});
