import type { Wait } from "duologue-client";
import { type ConversationState, INITIAL, phaseOf, reduce } from "duologue-client";
import { describe, expect, it } from "vitest";
import { buttonLabel, phaseLine, shareOf, titleOf } from "../src/view/words";
import { ordinal } from "../src/words/en";

function waitingFor(wait: Wait): ConversationState {
  return reduce(reduce(INITIAL, { type: "page.connecting", hasMicrophone: true }), {
    type: "page.waiting",
    wait,
  });
}

const third = waitingFor({ kind: "line", position: 3, of: 5 });
const starting = waitingFor({ kind: "warming", message: "Loading the models.", ready: 3, of: 5 });

describe("who waits", () => {
  it.each([
    [1, "1st"],
    [2, "2nd"],
    [3, "3rd"],
    [4, "4th"],
    [11, "11th"],
    [12, "12th"],
    [22, "22nd"],
    [113, "113th"],
  ])("%i is %s", (count, text) => {
    expect(ordinal(count)).toBe(text);
  });

  it("sees the place, in the tab's title too, and can leave", () => {
    expect(phaseOf(third)).toBe("waiting");
    expect(phaseLine("waiting", third).title).toBe("You are 3rd of 5 in line");
    expect(titleOf(third)).toContain("3rd of 5");
    expect(buttonLabel(third)).toBe("Leave the line");
    expect(phaseLine("waiting", waitingFor({ kind: "line", position: 1, of: 5 })).title).toContain("next");
  });

  it("sees how far the server's start is", () => {
    expect(phaseLine("waiting", starting).hint).toContain("Loading the models. You are connected");
    expect(shareOf(starting.wait)).toBeCloseTo(0.6);
    expect(buttonLabel(starting)).toBe("Cancel");
  });

  it("connects when it is their turn, and goes back to the beginning when they leave", () => {
    const admitted = reduce(third, { type: "page.admitted" });
    expect([phaseOf(admitted), admitted.wait, titleOf(admitted)]).toEqual(["connecting", null, "Duologue"]);
    expect(phaseOf(reduce(third, { type: "page.ended" }))).toBe("idle");
    expect(phaseOf(reduce(admitted, { type: "page.ended" }))).toBe("ended");
  });
});
