import { afterEach, describe, expect, it, vi } from "vitest";
import { type Circumstances, judge } from "../src/realtime/judge";
import type { Failure } from "../src/realtime/transport";

const BASE = "http://localhost:8000/";
const LIVE: Circumstances = {
  base: BASE,
  key: null,
  isForced: false,
  kind: "websocket",
  conversation: "conv_1",
  isLive: true,
  hasLived: true,
};
const AGAIN: Circumstances = { ...LIVE, isLive: false };
const FIRST: Circumstances = { ...AGAIN, hasLived: false };

const closed = (code: number, wasOpen = true, reason = ""): Failure => ({
  kind: "closed",
  code,
  reason,
  wasOpen,
});

/** A server whose pages have these statuses and bodies; all else cannot be reached. */
function serverWith(pages: Record<string, [number, string]>): void {
  vi.stubGlobal("fetch", async (url: URL) => {
    const page = pages[url.pathname];
    if (!page) throw new TypeError("Failed to fetch");
    return new Response(page[1], { status: page[0] });
  });
}

const HEALTHY: Record<string, [number, string]> = {
  "/readyz": [200, "{}"],
  "/healthz": [200, "{}"],
  "/v1/models": [200, "{}"],
};

afterEach(() => vi.unstubAllGlobals());

describe("over a WebSocket", () => {
  it("a line that was lost is made anew, and one that the server ended is not", async () => {
    serverWith({});
    expect(await judge(closed(1006), LIVE)).toEqual({ act: "reconnect" });
    expect(await judge({ kind: "slow" }, LIVE)).toEqual({ act: "reconnect" });
    const detail = "The session is 60 minutes old.";
    const over = { act: "show", trouble: { kind: "session-over", detail } };
    expect(await judge(closed(1000, true, detail), LIVE)).toEqual(over);
  });

  it("a talk that another page took over is left to it", async () => {
    serverWith({});
    const elsewhere = { act: "show", trouble: { kind: "taken-over" } };
    expect(await judge(closed(1000, true, "The conversation goes on elsewhere."), LIVE)).toEqual(elsewhere);
    const ended: Failure = { kind: "ended", code: "conversation_taken_over", message: "..." };
    expect(await judge(ended, { ...LIVE, kind: "webrtc" })).toEqual(elsewhere);
  });

  it("a server that is still away is tried again", async () => {
    serverWith({});
    expect(await judge(closed(1006, false), AGAIN)).toEqual({ act: "reconnect" });
    const away = { act: "show", trouble: { kind: "server-away" } };
    expect(await judge(closed(1006, false), FIRST), "nobody waits for one that was never there").toEqual(
      away,
    );
  });

  it("a conversation that is gone is begun anew", async () => {
    serverWith({ ...HEALTHY, "/v1/conversations/conv_1": [404, "{}"] });
    expect(await judge(closed(1006, false), AGAIN)).toEqual({ act: "begin-anew" });
    expect(await judge(closed(1006, false), FIRST)).toEqual({ act: "begin-anew" });
    expect(await judge(closed(1006, false), { ...AGAIN, conversation: "new" })).toEqual({ act: "reconnect" });
  });

  it("a key that is wanted now, or a full house, is said", async () => {
    serverWith({ ...HEALTHY, "/v1/models": [401, "{}"] });
    const wanted = { act: "show", trouble: { kind: "key-needed" } };
    expect(await judge(closed(1006, false), AGAIN)).toEqual(wanted);
    serverWith({ ...HEALTHY, "/readyz": [200, '{"status":"full"}'] });
    const full = { act: "show", trouble: { kind: "server-full" } };
    expect(await judge(closed(1006, false), AGAIN)).toEqual(full);
  });
});

describe("over WebRTC", () => {
  const rtc = (now: Circumstances): Circumstances => ({ ...now, kind: "webrtc" });

  it("a call that breaks falls back first", async () => {
    expect(await judge({ kind: "broken" }, rtc(LIVE))).toEqual({ act: "fall-back", reason: "broken" });
  });

  it("a call that breaks is made anew where nothing else was asked for", async () => {
    expect(await judge({ kind: "broken" }, { ...rtc(LIVE), isForced: true })).toEqual({ act: "reconnect" });
  });

  it("a server that does not answer any more is tried again", async () => {
    expect(await judge({ kind: "unanswered" }, rtc(AGAIN))).toEqual({ act: "reconnect" });
    const fallen = { act: "fall-back", reason: "server-failed" };
    expect(await judge({ kind: "unanswered" }, rtc(FIRST))).toEqual(fallen);
  });

  it("a call that ended in good order is over, unless the server stops", async () => {
    serverWith(HEALTHY);
    const over = { act: "show", trouble: { kind: "session-over" } };
    expect(await judge({ kind: "ended" }, rtc(LIVE))).toEqual(over);
    expect(await judge({ kind: "ended", code: "session_expired" }, rtc(LIVE))).toEqual({ act: "reconnect" });
    serverWith({});
    expect(await judge({ kind: "ended" }, rtc(LIVE))).toEqual({ act: "reconnect" });
  });

  it("a conversation that is gone is begun anew", async () => {
    const gone: Failure = { kind: "refused", status: 404, code: "conversation_not_found" };
    expect(await judge(gone, rtc(AGAIN))).toEqual({ act: "begin-anew" });
  });
});
