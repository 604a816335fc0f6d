import { describe, expect, it } from "vitest";
import { joining, needsHistory } from "../src/realtime/joining";
import { DEFAULT_SETTINGS, type Settings, sessionOf, withoutRefused } from "../src/realtime/settings";

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
    expect(joining({ conversationId: "conv_1", isKept: true }, settings({ isKept: false }))).toBe("conv_1");
    expect(joining({ conversationId: "conv_1", isKept: false }, DEFAULT_SETTINGS)).toBe("new");
    expect(joining({ conversationId: null, isKept: false }, settings({ isKept: false }))).toBe("none");
  });

  it("is told what was said unless the server remembers", () => {
    expect(needsHistory(null)).toBe(true);
    expect(needsHistory(0)).toBe(true);
    expect(needsHistory(4)).toBe(false);
  });
});
