import { describe, expect, it } from "vitest";
import { newEntry } from "../src/realtime/entries";
import { joining, needsHistory } from "../src/realtime/joining";
import { reduce } from "../src/realtime/reduce";
import { DEFAULT_SETTINGS, type Settings, sessionOf, withoutRefused } from "../src/realtime/settings";
import { INITIAL } from "../src/realtime/state";

const settings = (more: Partial<Settings>): Settings => ({ ...DEFAULT_SETTINGS, ...more });

describe("settings as a session", () => {
  it("leave to the server what was not chosen", () => {
    expect(sessionOf(DEFAULT_SETTINGS)).toEqual({
      type: "realtime",
      audio: {
        input: {
          transcription: { model: "default" },
          turn_detection: { type: "semantic_vad", eagerness: "auto", interrupt_response: true },
        },
        output: { speed: 1 },
      },
      tools: [],
    });
  });

  it("say what was chosen", () => {
    const chosen = settings({ voice: "alba", language: "de", patience: "high", isInterruptible: false });
    expect(sessionOf(chosen)).toMatchObject({
      audio: {
        input: {
          transcription: { language: "de" },
          turn_detection: { eagerness: "low", interrupt_response: false },
        },
        output: { voice: "alba" },
      },
    });
  });

  it("go back to what the server had", () => {
    const defaults = { model: "small", instructions: "Be kind.", voice: "alba" };
    expect(sessionOf(DEFAULT_SETTINGS, { defaults })).toMatchObject({
      model: "small",
      instructions: "Be kind.",
      audio: { output: { voice: "alba" } },
    });
    expect(sessionOf(settings({ instructions: "" }), { defaults })).toMatchObject({ instructions: "" });
  });

  it("can do without what a server refuses", () => {
    const chosen = settings({ voice: "alba", language: "de" });
    expect(withoutRefused(chosen, "session.audio.output.voice")).toEqual({ ...chosen, voice: null });
    const field = "session.audio.input.transcription.language";
    expect(withoutRefused(chosen, field)).toEqual({ ...chosen, language: null });
    expect(withoutRefused(chosen, "session.tools[0].server_url")?.areToolsOn).toBe(false);
    expect(withoutRefused(DEFAULT_SETTINGS, "session.audio.output.voice"), "not in a circle").toBeNull();
    expect(withoutRefused(chosen, "session.type")).toBeNull();
  });

  it("leave turns to whoever holds a button", () => {
    expect(sessionOf(DEFAULT_SETTINGS, { isPushToTalk: true })).toMatchObject({
      audio: { input: { turn_detection: null } },
    });
  });

  it("name the tools that are on", () => {
    const server = { label: "home", url: "https://home.example/mcp", isOn: true, asksFirst: true };
    const toolServers = [server, { ...server, label: "off", isOn: false }];
    expect(sessionOf(settings({ toolServers }))).toMatchObject({
      tools: [{ type: "mcp", server_label: "home", server_url: server.url, require_approval: "always" }],
    });
    expect(sessionOf(settings({ toolServers, areToolsOn: false }))).toMatchObject({ tools: [] });
  });
});

describe("the conversation that a session joins", () => {
  it("is the one that the server keeps, else a new one, else none", () => {
    const none = { conversationId: null, isKept: false, entries: [] };
    const kept = { conversationId: "conv_1", isKept: true, entries: [] };
    expect(joining(kept, settings({ isKept: false }))).toBe("conv_1");
    expect(joining(none, DEFAULT_SETTINGS)).toBe("new");
    expect(joining(none, settings({ isKept: false }))).toBe("none");
  });

  it("does not keep what was deleted meanwhile, nor what was said unkept", () => {
    const said = [newEntry("u", "user", { text: "My secret.", status: "final" })];
    const live = { ...INITIAL, link: "open", conversationId: "conv_1", isKept: true, entries: said } as const;
    const forgotten = reduce(reduce(live, { type: "page.reconnecting" }), { type: "page.forgotten" });
    expect(forgotten.entries).toHaveLength(1);
    expect(joining(forgotten, DEFAULT_SETTINGS)).toBe("none");
    const again = reduce(reduce(forgotten, { type: "page.failed", trouble: { kind: "server-away" } }), {
      type: "page.connecting",
      hasMicrophone: true,
    });
    expect(joining(again, DEFAULT_SETTINGS), "nor after an accident").toBe("none");
    const fresh = reduce(forgotten, { type: "page.cleared" });
    expect(joining(fresh, DEFAULT_SETTINGS), "what is said from now on is").toBe("new");
  });

  it("is told what was said unless the server remembers", () => {
    expect(needsHistory(null)).toBe(true);
    expect(needsHistory(0)).toBe(true);
    expect(needsHistory(4)).toBe(false);
  });
});
