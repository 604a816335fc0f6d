import { describe, expect, it } from "vitest";
import { type Entry, newEntry } from "../src/realtime/entries";
import { asJson, asText, asVtt } from "../src/realtime/export";

const AT_MS = new Date(2026, 0, 5, 9, 30, 0).getTime();

const question = newEntry("u", "user", { text: "Is 1 < 2 & 2 --> 1?", status: "final", atMs: AT_MS });
const answer = newEntry("a", "assistant", {
  text: "It is smaller, of course.",
  kept: "It is smaller,",
  status: "interrupted",
  isSpoken: true,
  audioMs: 2000,
  heardMs: 1100,
  atMs: AT_MS + 2500,
});
const tool = newEntry("t", "tool", {
  atMs: AT_MS + 4000,
  status: "final",
  tool: {
    name: "add",
    server: "calculator",
    arguments: '{"a":1}',
    output: "2",
    failure: null,
    status: "done",
    callId: "call_1",
  },
});
const talk: Entry[] = [question, answer, tool];

describe("a conversation as a file", () => {
  it("holds all there is as JSON", () => {
    const { entries } = JSON.parse(asJson(talk));
    expect(entries).toEqual([
      {
        id: "u",
        role: "user",
        at: new Date(AT_MS).toISOString(),
        status: "final",
        text: "Is 1 < 2 & 2 --> 1?",
      },
      {
        id: "a",
        role: "assistant",
        at: new Date(AT_MS + 2500).toISOString(),
        status: "interrupted",
        text: "It is smaller,",
        not_heard: "of course.",
      },
      {
        id: "t",
        role: "tool",
        at: new Date(AT_MS + 4000).toISOString(),
        tool: {
          name: "add",
          server: "calculator",
          arguments: '{"a":1}',
          output: "2",
          failure: null,
          status: "done",
        },
      },
    ]);
  });

  it("can be read as text", () => {
    expect(asText(talk).split("\n\n")).toEqual([
      "[09:30:00] You: Is 1 < 2 & 2 --> 1?",
      "[09:30:02] Duologue: It is smaller, [not heard: of course.]",
      '[09:30:04] Tool calculator: add({"a":1}): 2\n',
    ]);
  });

  it("has captions of what was heard, with markup and arrows as text", () => {
    expect(asVtt(talk)).toBe(
      "WEBVTT\n\n" +
        "00:00:00.000 --> 00:00:01.273\n<v You>Is 1 &lt; 2 &amp; 2 --&gt; 1?</v>\n\n" +
        "00:00:02.500 --> 00:00:03.600\n<v Duologue>It is smaller,</v>\n",
    );
  });

  it("has captions as long as the words sounded", () => {
    const sounded = { status: "final", isSpoken: true } as const;
    const asked = newEntry("u", "user", {
      text: "Why?",
      audioMs: 1500,
      heardMs: 1500,
      atMs: AT_MS,
      status: "final",
    });
    const told = { ...sounded, text: "So.", audioMs: 9000, heardMs: 9000, atMs: AT_MS + 2100 };
    const vtt = asVtt([asked, newEntry("a", "assistant", told)]);
    expect(times(vtt)).toEqual([
      [0, 1.5],
      [2.1, 11.1],
    ]);
  });

  it("estimates those of an earlier day, the question before its answer", () => {
    const said = (id: string, role: "user" | "assistant", chars: number, atMs: number) =>
      newEntry(id, role, { text: "x".repeat(chars), status: "final", atMs });
    const day = [
      said("u1", "user", 30, AT_MS),
      said("a1", "assistant", 300, AT_MS + 2),
      said("u2", "user", 45, AT_MS + 3000),
      said("a2", "assistant", 15, AT_MS + 3_600_000),
    ];
    const cues = times(asVtt(day));
    expect(cues).toEqual([
      [0, 2.01],
      [2.01, 22.11],
      [22.11, 25.125],
      [3602.008, 3603.013],
    ]);
  });

  it("has captions that never overlap, can be read, and hold no blank line", () => {
    const short = newEntry("u", "user", { text: "No\n\nno", status: "final", atMs: AT_MS });
    const vtt = asVtt([short, { ...short, id: "v" }]);
    expect(times(vtt)).toEqual([
      [0, 0.8],
      [0.8, 1.6],
    ]);
    expect(vtt).toContain("<v You>No\nno</v>");
  });

  it("is a valid empty file where nothing was said", () => {
    expect(asVtt([newEntry("a", "assistant")])).toBe("WEBVTT\n");
    expect(asText([])).toBe("");
    expect(JSON.parse(asJson([]))).toEqual({ entries: [] });
  });
});

/** Where each cue begins and ends, in seconds. */
function times(vtt: string): number[][] {
  const seconds = (time: string) => time.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  return [...vtt.matchAll(/^(\S+) --> (\S+)$/gm)].map(([, from = "", to = ""]) => [
    seconds(from),
    seconds(to),
  ]);
}
