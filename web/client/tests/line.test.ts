import { afterEach, describe, expect, it, vi } from "vitest";
import { Line, readPlace, type Wait, withTicket } from "../src/realtime/line";
import type { Trouble } from "../src/realtime/trouble";

const BASE = "http://localhost:8000/";
const FULL: Trouble = { kind: "server-full" };

const answer = (status: number, body: object, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers });
const place = (position: number, of: number, ticket = "t1", retry_after_s = 2) =>
  answer(200, { admitted: false, position, of, ticket, retry_after_s });
const admitted = (ticket = "t1") => answer(200, { admitted: true, ticket, hold_s: 5 });
const warming = (ready: number, of: number) =>
  answer(
    503,
    { error: { code: "warming_up", message: `${ready} of ${of}.`, progress: { ready, of } } },
    { "Retry-After": "1" },
  );

/** A server that gives these answers one after the other; null: it is not there. Returns what was asked of it. */
function serverWith(answers: (Response | null)[]): string[] {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (url: URL, { method }: RequestInit) => {
    asked.push(`${method} ${url.pathname}${url.search}`);
    const next = answers.shift();
    if (!next) throw new TypeError("Failed to fetch");
    return next;
  });
  return asked;
}

async function waitIn(
  answers: (Response | null)[],
  refused: Trouble | null = FULL,
  ticket: string | null = null,
) {
  const asked = serverWith(answers);
  const told: Wait[] = [];
  const slept: number[] = [];
  const line = new Line(BASE, null, ticket, async (ms) => void slept.push(ms));
  const trouble = await line.wait(refused, (wait) => told.push(wait));
  return { asked, told, slept, trouble, line };
}

afterEach(() => vi.unstubAllGlobals());

describe("the line", () => {
  it("is kept by asking again with the ticket, when the server says so", async () => {
    const { asked, told, slept, trouble, line } = await waitIn([
      place(2, 3),
      place(1, 4, "t1", 7),
      admitted(),
    ]);
    expect(trouble).toBeNull();
    expect(told).toEqual([
      { kind: "line", position: 2, of: 3 },
      { kind: "line", position: 1, of: 4 },
    ]);
    expect(slept).toEqual([2000, 7000]);
    expect(asked).toEqual([
      "POST /v1/admission",
      "POST /v1/admission?ticket=t1",
      "POST /v1/admission?ticket=t1",
    ]);
    expect(line.take()).toBe("t1");
    expect(line.take(), "a place is one connection's").toBeNull();
  });

  it("is told which conversation is gone on with: its place may still be held for it", async () => {
    const asked = serverWith([admitted(), admitted()]);
    for (const conversation of ["conv_1", "none"]) {
      await new Line(BASE, null, null, async () => {}, conversation).wait(null, () => {});
    }
    expect(asked).toEqual(["POST /v1/admission?x_conversation=conv_1", "POST /v1/admission"]);
  });

  it("goes on with the place that the refusal gave", async () => {
    const { asked } = await waitIn([admitted("t9")], FULL, "t9");
    expect(asked).toEqual(["POST /v1/admission?ticket=t9"]);
  });

  it("takes the new ticket of a server that knows the old one no more", async () => {
    const { asked } = await waitIn([place(1, 1), place(3, 3, "t2"), admitted("t2")]);
    expect(asked.at(-1)).toBe("POST /v1/admission?ticket=t2");
  });

  it("waits for a server that starts, and tells how far it is", async () => {
    const { told, slept, trouble } = await waitIn([warming(1, 3), warming(2, 3), admitted()]);
    expect(trouble).toBeNull();
    expect(told.map((wait) => wait.kind === "warming" && [wait.ready, wait.of, wait.message])).toEqual([
      [1, 3, "1 of 3."],
      [2, 3, "2 of 3."],
    ]);
    expect(slept).toEqual([1000, 1000]);
  });

  it("survives a server that is away for a moment, and no longer", async () => {
    expect((await waitIn([place(1, 1), null, null, admitted()])).trouble).toBeNull();
    expect((await waitIn([place(1, 1), ...Array(9).fill(null)])).trouble).toEqual(FULL);
  });

  it("is over when the line itself is full, in the server's words", async () => {
    const full = answer(503, { error: { code: "session_limit_reached", message: "The line is full, too." } });
    const { told, trouble } = await waitIn([full]);
    expect(told).toEqual([]);
    expect(trouble).toEqual({ kind: "server-full", detail: "The line is full, too." });
  });

  it("does not keep out who only asks of a server that knows of none", async () => {
    expect((await waitIn([answer(404, {})], null)).trouble).toBeNull();
    expect((await waitIn([null], null)).trouble).toBeNull();
    expect((await waitIn([answer(404, {})])).trouble).toEqual(FULL);
  });

  it("says that a key is wanted", async () => {
    expect((await waitIn([answer(401, {})], null)).trouble).toEqual({ kind: "key-needed" });
  });

  it("is left at once, and gives the place back", async () => {
    const asked = serverWith([place(1, 1), answer(200, {}), admitted()]);
    const line = new Line(BASE, null, null, async () => line.leave());
    await line.wait(FULL, () => {});
    expect(asked).toEqual(["POST /v1/admission", "DELETE /v1/admission?ticket=t1"]);
  });

  it("gives nothing back that a connection has taken", async () => {
    const { asked, line } = await waitIn([admitted()]);
    line.take();
    line.leave();
    expect(asked).toHaveLength(1);
  });
});

describe("an answer", () => {
  it("is asked for again after the header's time where it names none, never in a circle", async () => {
    const bare = answer(200, { admitted: false, position: 1, of: 1 }, { "Retry-After": "4" });
    expect(await readPlace(bare, false)).toMatchObject({ ticket: null, retryMs: 4000 });
    expect(await readPlace(answer(200, { admitted: false }), false)).toMatchObject({ retryMs: 2000 });
    expect(await readPlace(place(1, 1, "t", 9999), false)).toMatchObject({ retryMs: 30_000 });
  });

  it("shows a ticket in the address only where there is one", () => {
    const url = () => new URL("v1/realtime?model=duologue", BASE);
    expect(withTicket(url(), null).search).toBe("?model=duologue");
    expect(withTicket(url(), "a b").search).toBe("?model=duologue&ticket=a+b");
  });
});
