import type { LoggedEvent } from "duologue-client";
import { afterEach, describe, expect, it, vi } from "vitest";
import connect from "../../docs/howto/connect-an-sdk.md?raw";
import transcribe from "../../docs/howto/transcribe-and-speak.md?raw";
import {
  asJsonLines,
  filtered,
  type Group,
  gistOf,
  groupOf,
  NORMAL_FILTER,
} from "../src/view/developer/kinds";
import { addressOf, asksForKey, programOf, SNIPPETS, stepBefore } from "../src/view/developer/snippets";

const FILES = import.meta.glob<string>("../src/view/developer/snippets/*.txt", {
  query: "?raw",
  import: "default",
  eager: true,
});

function logged(type: string, more: object = {}, from: LoggedEvent["from"] = "server"): LoggedEvent {
  return { number: 1, atMs: 0, from, type, event: { type, ...more } };
}

describe("events", () => {
  it.each<[string, Group]>([
    ["session.created", "session"],
    ["input_audio_buffer.append", "sound"],
    ["response.output_audio.delta", "sound"],
    ["duologue.output_audio.played", "sound"],
    ["input_audio_buffer.speech_started", "input"],
    ["conversation.item.added", "items"],
    ["conversation.item.input_audio_transcription.failed", "errors"],
    ["response.output_audio_transcript.delta", "response"],
    ["output_audio_buffer.started", "response"],
    ["response.function_call_arguments.done", "tools"],
    ["mcp_list_tools.completed", "tools"],
    ["duologue.response.timing", "own"],
    ["error", "errors"],
    ["something.new", "session"],
  ])("of type %s are of kind %s", (type, group) => {
    expect(groupOf(type)).toBe(group);
  });

  it("are filtered by kind, direction and what is in them", () => {
    const events = [
      logged("session.update", { session: { voice: "Emma" } }, "client"),
      logged("input_audio_buffer.append", {}, "client"),
      logged("session.updated", { session: { voice: "Emma" } }),
      logged("response.done"),
    ];
    const types = (change: object) =>
      filtered(events, { ...NORMAL_FILTER, ...change }).map(({ type }) => type);
    expect(types({})).toEqual(["session.update", "session.updated", "response.done"]);
    expect(types({ from: "client", hidden: new Set() })).toEqual([
      "session.update",
      "input_audio_buffer.append",
    ]);
    expect(types({ text: " emma " })).toEqual(["session.update", "session.updated"]);
    expect(types({ text: "done" })).toEqual(["response.done"]);
  });

  it("tell in a line what is in them", () => {
    expect(gistOf(logged("error", { error: { message: "Not so." } }))).toBe("Not so.");
    expect(gistOf(logged("response.done", { response: { status: "cancelled" } }))).toBe("cancelled");
    expect(gistOf(logged("input_audio_buffer.cleared"))).toBe("");
  });

  it("become a file of a line each", () => {
    const lines = asJsonLines([{ ...logged("a"), count: 50 }, logged("b", { text: "x\ny" }, "client")]);
    expect(
      lines
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { at: "1970-01-01T00:00:00.000Z", from: "server", count: 50, event: { type: "a" } },
      { at: "1970-01-01T00:00:00.000Z", from: "client", event: { type: "b", text: "x\ny" } },
    ]);
  });
});

describe("programs", () => {
  it.each(SNIPPETS.filter((name) => name !== "websocket"))(
    "%s is the documentation's, to the letter",
    (name) => {
      const file = FILES[`../src/view/developer/snippets/${name}.txt`];
      expect(connect + transcribe).toContain(`\n${file}\`\`\`\n`);
    },
  );

  it.each(SNIPPETS)("%s names this very server, and nobody else's address", (name) => {
    const program = programOf(name, "https://voice.home:9000/talk/?x=1", false);
    expect(program).toContain("voice.home:9000/talk/v1");
    expect(program).not.toMatch(/8710|127\.0\.0\.1|localhost/);
    expect(program).not.toMatch(/\b(http|ws):/);
  });

  it("dial https where a client can do nothing else", () => {
    expect(programOf("node", "http://127.0.0.1:9000/", false)).toContain('"https://127.0.0.1:9000/v1"');
    expect(programOf("websocket", "http://127.0.0.1:9000/", false)).toContain(
      "ws://127.0.0.1:9000/v1/realtime",
    );
  });

  it("name no https address that a plain server does not have", () => {
    const page = programOf("agents", "http://127.0.0.1:9000/", false);
    expect(page).toContain('"http://127.0.0.1:9000/v1/realtime/calls"');
    expect(page).not.toContain("https:");
    expect(page).toMatch(/^import .*\n\nconst secret = /);
    expect(stepBefore("agents")).toBe("secret");
    expect(programOf("secret", "http://127.0.0.1:9000/", false)).toContain("Bearer none");
  });

  it.each(SNIPPETS.filter((name) => name !== "agents"))("%s has a place for the key", (name) => {
    expect(programOf(name, "http://127.0.0.1:9000/", true)).toContain("YOUR_KEY");
    expect(programOf(name, "http://127.0.0.1:9000/", false)).not.toContain("YOUR_KEY");
  });

  it("know the server by the page's address", () => {
    expect(addressOf("https://a.example/")).toBe("https://a.example");
    expect(addressOf("https://a.example/talk/index.html?a#b")).toBe("https://a.example/talk");
  });
});

describe("whether the server wants a key", () => {
  afterEach(() => vi.unstubAllGlobals());

  it.each([
    [200, false],
    [401, true],
    [503, null],
  ])("is told by its answer %s", async (status, needsKey) => {
    vi.stubGlobal("fetch", async () => new Response("{}", { status }));
    expect(await asksForKey("http://127.0.0.1:9000/")).toBe(needsKey);
  });

  it("is not known while it is away", async () => {
    vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("away")));
    expect(await asksForKey("http://127.0.0.1:9000/")).toBeNull();
  });
});
