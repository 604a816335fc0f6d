import { describe, expect, it } from "vitest";
import { askedTransport, decide, firstChoice, isLasting } from "../src/realtime/fallback";
import type { Failure } from "../src/realtime/transport";

const refused = (status: number, more: { code?: string; message?: string } = {}): Failure => ({
  kind: "refused",
  status,
  ...more,
});

describe("the first choice", () => {
  it("is WebRTC", () => {
    expect(firstChoice(null, true, null)).toEqual({ kind: "webrtc", reason: null });
  });

  it("is WebSocket where the browser has no WebRTC", () => {
    expect(firstChoice(null, false, null)).toEqual({ kind: "websocket", reason: "unsupported" });
  });

  it("does not wait again for what did not come before", () => {
    expect(firstChoice(null, true, "no-path")).toEqual({ kind: "websocket", reason: "no-path" });
  });

  it("is what the address asks for, whatever is known", () => {
    expect(firstChoice("webrtc", false, "no-path")).toEqual({ kind: "webrtc", reason: null });
    expect(firstChoice("websocket", true, null)).toEqual({ kind: "websocket", reason: "asked" });
  });

  it.each([
    ["?transport=webrtc", "webrtc"],
    ["?a=b&transport=websocket", "websocket"],
    ["?transport=pigeon", null],
    ["", null],
  ])("reads %s as %s", (search, asked) => {
    expect(askedTransport(search)).toBe(asked);
  });
});

describe("a failure over WebRTC", () => {
  it.each<[Failure, string]>([
    [{ kind: "unsupported" }, "unsupported"],
    [{ kind: "unanswered" }, "server-failed"],
    [{ kind: "no-path" }, "no-path"],
    [{ kind: "broken" }, "broken"],
    [refused(400, { code: "invalid_offer" }), "not-offered"],
    [refused(404), "not-offered"],
    [refused(405), "not-offered"],
    [refused(501), "not-offered"],
    [refused(500), "server-failed"],
    [refused(502), "server-failed"],
  ])("is mended by WebSocket: %o", (failure, reason) => {
    expect(decide(failure, false, false)).toEqual({ act: "fall-back", reason });
  });

  it("is shown where WebSocket would meet the same", () => {
    const message = "Every place is taken.";
    const shown = (failure: Failure, hasKey = false) => {
      const decision = decide(failure, hasKey, false);
      return decision.act === "show" ? decision.trouble : decision;
    };
    expect(shown(refused(401))).toEqual({ kind: "key-needed" });
    expect(shown(refused(401), true)).toEqual({ kind: "key-wrong" });
    expect(shown(refused(403, { message: "Not this page." }))).toEqual({
      kind: "not-allowed",
      detail: "Not this page.",
    });
    expect(shown(refused(429))).toEqual({ kind: "server-wait" });
    expect(shown(refused(503, { code: "session_limit_reached", message }))).toEqual({
      kind: "server-full",
      detail: message,
    });
    expect(shown(refused(503, { code: "warming_up" }))).toEqual({ kind: "server-warming" });
    expect(shown({ kind: "ended", message: "An hour is over." })).toEqual({
      kind: "session-over",
      detail: "An hour is over.",
    });
  });

  it("is shown where WebRTC was asked for", () => {
    expect(decide({ kind: "no-path" }, false, true)).toEqual({
      act: "show",
      trouble: { kind: "webrtc-failed" },
    });
    expect(decide({ kind: "broken" }, false, true)).toEqual({
      act: "show",
      trouble: { kind: "connection-lost" },
    });
    expect(decide(refused(401), false, true)).toEqual({ act: "show", trouble: { kind: "key-needed" } });
  });

  it("is remembered if it would only come again", () => {
    expect(isLasting("no-path")).toBe(true);
    expect(isLasting("broken")).toBe(false);
  });
});
