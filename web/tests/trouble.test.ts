import { afterEach, describe, expect, it, vi } from "vitest";
import { diagnose, TroubleError, troubleOf } from "../src/realtime/trouble";

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

  it("takes silence for an absent server", async () => {
    serverWith({});
    expect(await diagnose(BASE, null)).toEqual({ kind: "server-away" });
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
