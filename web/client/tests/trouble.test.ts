import { afterEach, describe, expect, it, vi } from "vitest";
import { accessTrouble, diagnose, TroubleError, troubleOf } from "../src/realtime/trouble";

const BASE = "http://localhost:8000/";

/** Answers like a server whose pages have these statuses and bodies; all else cannot be reached. */
function serverWith(pages: Record<string, [number, string]>) {
  vi.stubGlobal("fetch", async (url: URL) => {
    const page = pages[url.pathname];
    if (!page) throw new TypeError("Failed to fetch");
    return new Response(page[1], { status: page[0] });
  });
}

afterEach(() => vi.unstubAllGlobals());

describe("diagnose", () => {
  it("knows a full server, in the server's words", async () => {
    for (const status of [200, 503]) {
      serverWith({ "/readyz": [status, '{"status":"full","message":"8 of 8"}'] });
      expect(await diagnose(BASE, null)).toEqual({ kind: "server-full", detail: "8 of 8" });
    }
  });

  it("asks the second page when the first says nothing", async () => {
    serverWith({ "/readyz": [503, "nonsense"], "/healthz": [503, '{"status":"warming"}'] });
    expect(await diagnose(BASE, null)).toEqual({ kind: "server-warming" });
  });

  it("knows that a key is wanted", async () => {
    serverWith({ "/readyz": [200, "{}"], "/v1/models": [401, "{}"] });
    expect(await diagnose(BASE, null)).toEqual({ kind: "key-needed" });
  });

  it("knows that the key is wrong, or that this page may not come in", async () => {
    serverWith({ "/readyz": [200, "{}"], "/v1/models": [401, "{}"] });
    expect(await diagnose(BASE, "k")).toEqual({ kind: "key-wrong" });
    serverWith({ "/readyz": [200, "{}"], "/v1/models": [403, '{"error":{"message":"Not you."}}'] });
    expect(await diagnose(BASE, null)).toEqual({ kind: "not-allowed", detail: "Not you." });
  });

  it("takes silence for an absent server", async () => {
    serverWith({});
    expect(await diagnose(BASE, null)).toEqual({ kind: "server-away" });
  });
});

describe("accessTrouble", () => {
  it("finds none where the server has no such list, or does not answer", async () => {
    serverWith({ "/v1/models": [404, "not found"] });
    expect(await accessTrouble(BASE, null)).toBeNull();
    serverWith({});
    expect(await accessTrouble(BASE, null)).toBeNull();
  });

  it("says how long to wait after too many wrong keys", async () => {
    serverWith({ "/v1/models": [429, '{"error":{"message":"Try again in 9 s."}}'] });
    expect(await accessTrouble(BASE, "k")).toEqual({ kind: "server-wait", detail: "Try again in 9 s." });
  });

  it("knows without asking that a key cannot be sent", async () => {
    serverWith({});
    expect(await accessTrouble(BASE, "zwei Wörter")).toEqual({ kind: "key-wrong" });
  });

  it("leaves a client secret to the call: nothing else would take it", async () => {
    serverWith({ "/v1/models": [401, "{}"] });
    expect(await accessTrouble(BASE, "ek_123")).toBeNull();
  });
});

describe("troubleOf", () => {
  it.each([
    ["NotAllowedError", "microphone-refused"],
    ["NotFoundError", "microphone-missing"],
    ["NotReadableError", "microphone-busy"],
    ["AbortError", "audio-failed"],
  ])("takes %s for %s", (name, kind) => {
    expect(troubleOf(new DOMException("", name))).toEqual({ kind });
  });

  it("passes a known trouble on", () => {
    expect(troubleOf(new TroubleError("insecure"))).toEqual({ kind: "insecure" });
  });
});
