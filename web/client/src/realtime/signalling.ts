/** The HTTP side of a WebRTC call: an offer for an answer, and the end of the call. */

import { sessionAddress } from "./events";
import { bearer } from "./key";
import { withTicket } from "./line";
import { TransportError, type TransportOptions } from "./transport";
import { readError } from "./trouble";

const MOST_WAIT_MS = 5000;
const MOST_SILENCE_MS = 1500;

export interface Answer {
  sdp: string;
  /** Null where the server does not say. */
  callId: string | null;
}

/** Sends the offer. Rejects with a TransportError that tells what the server said, if anything. */
export async function exchange(
  { base, key, ticket, conversation }: Pick<TransportOptions, "base" | "key" | "ticket" | "conversation">,
  sdp: string,
): Promise<Answer> {
  const response = await post(
    withTicket(sessionAddress(base, "v1/realtime/calls", conversation), ticket),
    key,
    sdp,
  );
  if (!response.ok) {
    throw new TransportError({ kind: "refused", status: response.status, ...(await readError(response)) });
  }
  const location = response.headers.get("Location") ?? "";
  return { sdp: await response.text(), callId: /[^/]+$/.exec(location)?.[0] ?? null };
}

/** Lets the server have the call's place back even if no packet reaches it any more. Never rejects. */
export async function hangUp(base: string, key: string | null, callId: string): Promise<void> {
  const url = new URL(`v1/realtime/calls/${encodeURIComponent(callId)}/hangup`, base);
  const signal = AbortSignal.timeout(1000);
  await fetch(url, { method: "POST", headers: bearer(key), keepalive: true, signal }).catch(() => {});
}

/** Whether the server says anything at all. Never rejects. */
export async function answers(base: string): Promise<boolean> {
  const signal = AbortSignal.timeout(MOST_SILENCE_MS);
  return fetch(new URL("healthz", base), { cache: "no-store", signal }).then(
    () => true,
    () => false,
  );
}

async function post(url: URL, key: string | null, sdp: string): Promise<Response> {
  try {
    return await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", ...bearer(key) },
      body: sdp,
      signal: AbortSignal.timeout(MOST_WAIT_MS),
    });
  } catch {
    throw new TransportError({ kind: "unanswered" });
  }
}
