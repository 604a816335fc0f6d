import { describe, expect, it } from "vitest";
import { Answers } from "../src/realtime/answers";
import type { ServerEvent } from "../src/realtime/events";

const created: ServerEvent = { type: "response.created", response: { id: "r", status: "in_progress" } };
const done: ServerEvent = { type: "response.done", response: { id: "r", status: "completed" } };
const added = (id: string): ServerEvent => ({
  type: "response.output_item.added",
  item: { id, type: "message", role: "assistant" },
});

function answering(...events: ServerEvent[]): Answers {
  const answers = new Answers();
  for (const event of [created, added("a"), ...events]) answers.follow(event);
  answers.receive("a", 500);
  answers.receive("a", 500.5);
  return answers;
}

describe("Answers", () => {
  it("have nothing to silence before, and after they were heard whole", () => {
    expect(new Answers().cutIn()).toBeNull();
    const answers = answering(done);
    answers.playing(false);
    expect(answers.cutIn()).toBeNull();
  });

  it("tell what was heard of an answer that is still being made, and want no more of it", () => {
    const answers = answering();
    const underWay = answers.cutIn();
    expect(underWay).toEqual(new Set(["a"]));
    expect(answers.truncations([{ itemId: "a", ms: 300 }], underWay as Set<string>)).toEqual([
      { itemId: "a", ms: 300 },
    ]);
    expect(answers.receive("a", 100)).toBe(false);
    expect(answers.receive("b", 100)).toBe(true);
  });

  it("are cut from the moment that the user cuts in, before the flush has answered", () => {
    const answers = answering();
    answers.cutIn();
    expect(answers.receive("a", 100)).toBe(false);
  });

  it("tell it too when the answer is complete and only plays", () => {
    const answers = answering(done);
    const underWay = answers.cutIn() as Set<string>;
    expect(answers.truncations([{ itemId: "a", ms: 999 }], underWay)).toEqual([{ itemId: "a", ms: 999 }]);
  });

  it("can be cut before the first report of playing", () => {
    const answers = answering(done);
    expect(answers.cutIn()).toEqual(new Set());
  });

  it("say nothing of a complete answer that was heard to its end", () => {
    const answers = answering(done);
    expect(answers.truncations([{ itemId: "a", ms: 1000 }], answers.cutIn() as Set<string>)).toEqual([]);
  });

  it("never claim more than came in", () => {
    const answers = answering();
    const underWay = answers.cutIn() as Set<string>;
    expect(answers.truncations([{ itemId: "a", ms: 5000 }], underWay)).toEqual([{ itemId: "a", ms: 1000 }]);
  });

  it("that wait behind another were not heard at all", () => {
    const answers = answering(added("b"));
    answers.receive("b", 400);
    const underWay = answers.cutIn() as Set<string>;
    const flushed = [
      { itemId: "a", ms: 1000 },
      { itemId: "b", ms: 0 },
    ];
    expect(answers.truncations(flushed, underWay)).toEqual(flushed);
  });
});
