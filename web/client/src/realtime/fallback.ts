/** Which transport to take, and whether a failure is one that the other transport could mend. No I/O. */

import type { Failure, TransportKind } from "./transport";
import { refusal, type Trouble } from "./trouble";

/** Why a call does not go over WebRTC. The words for it are the view's. */
export type FallbackReason = "asked" | "unsupported" | "not-offered" | "server-failed" | "no-path" | "broken";

export interface Choice {
  kind: TransportKind;
  /** Null for WebRTC. */
  reason: FallbackReason | null;
}

export type Decision = { act: "fall-back"; reason: FallbackReason } | { act: "show"; trouble: Trouble };

/** The transport that `?transport=` in the page's address asks for; null to choose. */
export function askedTransport(search: string): TransportKind | null {
  const asked = new URLSearchParams(search).get("transport");
  return asked === "webrtc" || asked === "websocket" ? asked : null;
}

/** `known` is why an earlier call of this page could not use WebRTC: it is not tried, and waited for, again. */
export function firstChoice(
  asked: TransportKind | null,
  hasWebRtc: boolean,
  known: FallbackReason | null,
): Choice {
  if (asked === "webrtc") return { kind: "webrtc", reason: null };
  if (asked === "websocket") return { kind: "websocket", reason: "asked" };
  if (!hasWebRtc) return { kind: "websocket", reason: "unsupported" };
  return known ? { kind: "websocket", reason: known } : { kind: "webrtc", reason: null };
}

/** Whether the next call of this page should spare itself the wait. A line that broke may hold the next time. */
export function isLasting(reason: FallbackReason): boolean {
  return reason === "unsupported" || reason === "not-offered" || reason === "no-path";
}

/** What to do about a failure over WebRTC. Where WebRTC was asked for, nothing else takes its place. */
export function decide(failure: Failure, hasKey: boolean, isForced: boolean): Decision {
  const decision = free(failure, hasKey);
  if (decision.act === "show" || !isForced) return decision;
  return { act: "show", trouble: forced(failure) };
}

function free(failure: Failure, hasKey: boolean): Decision {
  switch (failure.kind) {
    case "refused":
      return refused(failure, hasKey);
    case "ended":
      return show("session-over", failure.message);
    case "unsupported":
      return { act: "fall-back", reason: "unsupported" };
    case "unanswered":
      return { act: "fall-back", reason: "server-failed" };
    case "no-path":
      return { act: "fall-back", reason: "no-path" };
    case "broken":
    case "closed":
    case "slow":
      return { act: "fall-back", reason: "broken" };
  }
}

/** What keeps a talk out over WebRTC would keep it out over WebSocket too: 401, 403, 429 and 503. */
function refused({ status, code, message }: Failure & { kind: "refused" }, hasKey: boolean): Decision {
  const trouble = refusal(status, hasKey, message);
  if (trouble) return { act: "show", trouble };
  if (status === 503) return show(code === "warming_up" ? "server-warming" : "server-full", message);
  return { act: "fall-back", reason: status >= 500 && status !== 501 ? "server-failed" : "not-offered" };
}

function show(kind: Trouble["kind"], detail?: string): Decision {
  return { act: "show", trouble: detail ? { kind, detail } : { kind } };
}

function forced(failure: Failure): Trouble {
  if (failure.kind === "broken") return { kind: "connection-lost" };
  const detail = failure.kind === "refused" ? failure.message : undefined;
  return detail ? { kind: "webrtc-failed", detail } : { kind: "webrtc-failed" };
}
