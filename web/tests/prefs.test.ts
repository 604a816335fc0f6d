import { DEFAULT_DEVICES, DEFAULT_SETTINGS } from "duologue-client";
import { describe, expect, it } from "vitest";
import { DEFAULT_LOOK, Prefs, readDevices, readSettings } from "../src/view/prefs";

class Shelf {
  readonly kept = new Map<string, string>();
  isFull = false;

  getItem(name: string): string | null {
    return this.kept.get(name) ?? null;
  }

  setItem(name: string, text: string): void {
    if (this.isFull) throw new DOMException("full", "QuotaExceededError");
    this.kept.set(name, text);
  }

  removeItem(name: string): void {
    this.kept.delete(name);
  }
}

describe("what the browser keeps", () => {
  it("comes back as it was", () => {
    const [lasting, ofTab] = [new Shelf(), new Shelf()];
    const before = new Prefs(lasting, ofTab);
    const tools = [{ label: "tides", url: "https://tides.example/mcp", isOn: true, asksFirst: false }];
    before.settings = {
      ...DEFAULT_SETTINGS,
      voice: "anna",
      speed: 1.2,
      patience: "high",
      toolServers: tools,
    };
    before.devices = { ...DEFAULT_DEVICES, volume: 0.4, isPushToTalk: true };
    before.look = { theme: "dark", hasTimes: true };
    before.conversationId = "conv_1";
    const after = new Prefs(lasting, ofTab);
    expect(after.settings).toEqual({
      ...DEFAULT_SETTINGS,
      voice: "anna",
      speed: 1.2,
      patience: "high",
      toolServers: tools,
    });
    expect(after.devices).toEqual({ ...DEFAULT_DEVICES, volume: 0.4, isPushToTalk: true });
    expect(after.look).toEqual({ theme: "dark", hasTimes: true });
    expect(after.conversationId).toBe("conv_1");
  });

  it("holds the conversation for its tab alone", () => {
    const [lasting, ofTab] = [new Shelf(), new Shelf()];
    const prefs = new Prefs(lasting, ofTab);
    prefs.conversationId = "conv_1";
    expect(lasting.kept.size).toBe(0);
    prefs.conversationId = null;
    expect(ofTab.kept.size).toBe(0);
  });

  it.each([null, "", "no JSON", "[]", "7", "null", '"text"'])("begins anew from %j", (text) => {
    const shelf = new Shelf();
    if (text !== null) {
      for (const name of ["settings", "devices", "look"]) shelf.kept.set(`duologue-${name}`, text);
    }
    const prefs = new Prefs(shelf, shelf);
    expect(prefs.settings).toEqual(DEFAULT_SETTINGS);
    expect(prefs.devices).toEqual(DEFAULT_DEVICES);
    expect(prefs.look).toEqual(DEFAULT_LOOK);
    expect(prefs.conversationId).toBeNull();
  });

  it("does without a store, and with a full one", () => {
    const none = new Prefs(null, null);
    none.look = { theme: "dark", hasTimes: true };
    expect(none.look).toEqual(DEFAULT_LOOK);
    const shelf = new Shelf();
    shelf.isFull = true;
    const full = new Prefs(shelf, shelf);
    full.conversationId = "conv_1";
    expect(full.conversationId).toBeNull();
  });
});

describe("a field that is wrong", () => {
  it("falls back alone", () => {
    const settings = readSettings({ voice: 7, speed: 99, patience: "endless", isKept: "no", language: "fr" });
    expect(settings).toEqual({ ...DEFAULT_SETTINGS, language: "fr" });
    expect(readDevices({ volume: -1, microphoneId: "", hasTones: false })).toEqual({
      ...DEFAULT_DEVICES,
      hasTones: false,
    });
  });

  it("takes only the tool server with it that it belongs to, and asks first where nothing is said", () => {
    const toolServers = [null, 3, { label: "", url: "x" }, { label: "a" }, { label: "b", url: "https://b" }];
    expect(readSettings({ toolServers }).toolServers).toEqual([
      { label: "b", url: "https://b", isOn: false, asksFirst: true },
    ]);
  });
});
