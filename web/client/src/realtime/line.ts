/**
 * Waiting for a place. Over WebRTC the server is asked for one only after it refused a call, so that whoever finds room
 * pays no round trip; a WebSocket's refusal cannot be read, so there it is asked beforehand.
 */

import { isResumed } from "./joining";
import { bearer } from "./key";
import { readError, refusal, type Trouble } from "./trouble";

/** What somebody waits for. */
export type Wait =
  | { kind: "line"; position: number; of: number }
  | { kind: "warming"; message: string; ready: number; of: number };

/** The server's answer to who asks for a place. */
export type Place =
  | { kind: "admitted"; ticket: string | null }
  | { kind: "waiting"; wait: Wait; ticket: string | null; retryMs: number }
  | { kind: "refused"; trouble: Trouble }
  /** It knows of no line. */
  | { kind: "absent" };

const RETRY_MS = 2000;
const LONGEST_MS = 30_000;
const MOST_WAIT_MS = 5000;
// A server that starts anew, or a network that changes, is away for some seconds.
const MOST_MISSES = 5;
const AWAY: Trouble = { kind: "server-away" };

export class Line {
  readonly #base: string;
  readonly #key: string | null;
  readonly #sleep: (ms: number) => Promise<void>;
  readonly #conversation: string;
  #ticket: string | null;
  #hasLeft = false;

  /**
   * `ticket`: what a refusal gave; null to come as anybody. `conversation`: what the connection will ask for; whoever
   * goes on with one takes the place that it still holds.
   */
  constructor(
    base: string,
    key: string | null,
    ticket: string | null,
    sleep: (ms: number) => Promise<void>,
    conversation = "new",
  ) {
    this.#conversation = conversation;
    this.#base = base;
    this.#key = key;
    this.#ticket = ticket;
    this.#sleep = sleep;
  }

  /** What a connection shows for its place, which is its own from then on; null where there is none. */
  take(): string | null {
    const ticket = this.#ticket;
    this.#ticket = null;
    return ticket;
  }

  /**
   * Resolves with null when it is our turn, or with what keeps us out. `refused`: why we came here; null if only to
   * ask: then a server that knows of no line lets everybody try.
   */
  async wait(refused: Trouble | null, tell: (wait: Wait) => void): Promise<Trouble | null> {
    let misses = 0;
    while (!this.#hasLeft) {
      const place = await this.#ask();
      if (this.#hasLeft) break;
      misses = place ? 0 : misses + 1;
      if (place?.kind === "refused") return place.trouble;
      if (place?.kind === "absent" || misses > (refused ? MOST_MISSES : 0)) return refused;
      refused ??= AWAY;
      if (place) this.#ticket = place.ticket;
      if (place?.kind === "admitted") return null;
      if (place) tell(place.wait);
      await this.#sleep(place?.retryMs ?? RETRY_MS);
    }
    return refused;
  }

  /** Gives the place in the line to the next one. */
  leave(): void {
    this.#hasLeft = true;
    if (this.#ticket) void this.#send("DELETE").catch(() => {});
  }

  /** Null where no answer came. */
  async #ask(): Promise<Place | null> {
    try {
      return await readPlace(await this.#send("POST"), this.#key !== null);
    } catch {
      return null;
    }
  }

  #send(method: "POST" | "DELETE"): Promise<Response> {
    const url = new URL("v1/admission", this.#base);
    if (isResumed(this.#conversation)) url.searchParams.set("x_conversation", this.#conversation);
    return fetch(withTicket(url, this.#ticket), {
      method,
      headers: bearer(this.#key),
      keepalive: method === "DELETE",
      cache: "no-store",
      signal: AbortSignal.timeout(MOST_WAIT_MS),
    });
  }
}

/** `url` as it shows a place that the line gave. */
export function withTicket(url: URL, ticket: string | null): URL {
  if (ticket) url.searchParams.set("ticket", ticket);
  return url;
}

export async function readPlace(answer: Response, hasKey: boolean): Promise<Place> {
  const retryMs = retryOf(Number(answer.headers.get("Retry-After")));
  if (!answer.ok) return refusedPlace(answer, hasKey, retryMs);
  const { admitted, ticket, position, of, retry_after_s } = Object(await answer.json());
  const shown = typeof ticket === "string" ? ticket : null;
  if (admitted) return { kind: "admitted", ticket: shown };
  const wait: Wait = { kind: "line", position: Number(position), of: Number(of) };
  return { kind: "waiting", wait, ticket: shown, retryMs: retry_after_s ? retryOf(retry_after_s) : retryMs };
}

async function refusedPlace(answer: Response, hasKey: boolean, retryMs: number): Promise<Place> {
  const { code, message, progress } = await readError(answer);
  if (answer.status === 503 && code === "warming_up") {
    const { ready = 0, of = 0 } = progress ?? {};
    return {
      kind: "waiting",
      wait: { kind: "warming", message: message ?? "", ready, of },
      ticket: null,
      retryMs,
    };
  }
  const trouble = refusal(answer.status, hasKey, message);
  if (trouble) return { kind: "refused", trouble };
  if (answer.status !== 503) return { kind: "absent" };
  return {
    kind: "refused",
    trouble: message ? { kind: "server-full", detail: message } : { kind: "server-full" },
  };
}

function retryOf(seconds: number): number {
  return seconds > 0 ? Math.min(seconds * 1000, LONGEST_MS) : RETRY_MS;
}
