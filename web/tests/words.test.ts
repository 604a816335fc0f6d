import type { Offer, Wait } from "duologue-client";
import { type ConversationState, INITIAL, phaseOf, reduce } from "duologue-client";
import { describe, expect, it } from "vitest";
import {
  announcementOf,
  buttonLabel,
  keepingLine,
  leaveQuestion,
  noticeOf,
  phaseLine,
  shareOf,
  titleOf,
} from "../src/view/words";
import { wordsFor } from "../src/words";
import { en, ordinal } from "../src/words/en";

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

const open: ConversationState = { ...INITIAL, link: "open" };
const kept: ConversationState = {
  ...open,
  conversationId: "conv_1",
  isKept: true,
  entries: reduce(open, { type: "page.typed", id: "item_1", text: "Hello" }).entries,
};

describe("a conversation that is over", () => {
  it("can be gone on with where it is kept", () => {
    expect(buttonLabel({ ...kept, link: "ended" })).toBe("Continue");
    expect(buttonLabel({ ...kept, link: "ended", isKept: false })).toBe("Talk again");
    expect(buttonLabel({ ...kept, link: "idle" })).toBe("Continue");
    expect(phaseLine("ended", { ...kept, link: "ended" }).hint).toContain("kept");
  });
});

describe("a screen reader", () => {
  it("is told what changes the talk, and nothing at the turns of it", () => {
    const turns: Partial<ConversationState>[] = [
      { speechItem: "item_2" },
      { pendingItem: "item_2" },
      { response: { id: "resp_1", isAudible: false } },
      { isPlaying: true },
      {},
    ];
    const said = turns.map((turn) => announcementOf({ ...open, ...turn }));
    expect(new Set(said)).toEqual(new Set(["Connected. You can speak."]));
    expect(announcementOf({ ...open, isMuted: true })).toBe("Muted");
    expect(announcementOf({ ...open, link: "reconnecting" })).toBe("Reconnecting");
    expect(announcementOf(third)).toBe("You are 3rd of 5 in line");
    expect(announcementOf(INITIAL)).toBe("");
  });
});

describe("an answer that speaks", () => {
  const speaking = { ...open, isPlaying: true };

  it("is stopped in the way that there is", () => {
    expect(phaseLine("speaking", speaking).hint).toContain("Talk over it");
    expect(phaseLine("speaking", speaking, false).hint).toContain("It finishes before it listens");
    expect(phaseLine("speaking", { ...speaking, isMuted: true }).hint).toContain("Unmute");
    expect(phaseLine("speaking", { ...speaking, isMuted: true, isPushToTalk: true }).hint).toContain("Hold");
    expect(phaseLine("speaking", { ...speaking, hasMicrophone: false }, false).hint).toContain("message");
  });

  it("promises no interruption at the start where there is none", () => {
    expect(phaseLine("idle", INITIAL).hint).toContain("You can interrupt");
    expect(phaseLine("idle", INITIAL, false).hint).toContain("It finishes what it says");
  });
});

describe("another conversation", () => {
  it("is asked about only where words would be lost", () => {
    expect(leaveQuestion(open)).toBeNull();
    expect(leaveQuestion(kept)).toBeNull();
    expect(leaveQuestion({ ...kept, isKept: false })).toContain("ends the talk under way. It is not kept");
    expect(leaveQuestion({ ...kept, isKept: false, link: "ended" })).toContain("not kept");
  });
});

describe("what the page tells of itself", () => {
  it("is whether the words are kept, and for how long", () => {
    const store = { isOn: true, days: 30, hasSound: false };
    const offering = (days: number) => ({ store: { ...store, days } }) as Offer;
    expect(keepingLine(INITIAL, null)).toBeNull();
    expect(keepingLine(open, offering(30))?.full).toBe("not kept");
    expect(keepingLine(kept, offering(30))?.full).toBe("kept on this server for 30 days");
    expect(keepingLine(kept, offering(1))?.full).toBe("kept on this server for 1 day");
    expect(keepingLine(kept, offering(0))?.full).toBe("kept on this server until deleted");
    const sounding = { store: { ...store, hasSound: true } } as Offer;
    expect(keepingLine(kept, sounding)?.full).toBe("words and sound kept on this server for 30 days");
    expect(keepingLine(kept, sounding)?.short).toBe("sound kept for 30 days");
    expect(keepingLine(kept, null)?.full).toBe("kept on this server");
  });

  it("is first of all that nothing can be heard", () => {
    expect(noticeOf({ ...open, notice: "A fault.", isSilenced: true })).toContain("holds the sound back");
    expect(noticeOf({ ...open, notice: "A fault." })).toBe("A fault.");
    expect(noticeOf({ ...open, deviceNotice: "speaker-failed" })).toContain("speaker");
    expect(noticeOf(open)).toBeNull();
  });

  it("is in the browser's language, or in English", () => {
    expect(wordsFor(["xx-YY", "en-GB"])).toBe(en);
    expect(wordsFor([])).toBe(en);
  });
});
