/** What to do about a connection that could not be made, or that was lost. */

import { type Decision, decide } from "./fallback";
import { isResumed } from "./joining";
import { isKeptNoMore } from "./kept";
import { isAccident, isForgotten, isSilence, isTakenOver } from "./reconnect";
import type { Failure, TransportKind } from "./transport";
import { diagnose, isAnswering, type Trouble } from "./trouble";

export type Next =
  | Decision
  /** The server may be back in a moment. */
  | { act: "reconnect" }
  /** The conversation that was to be gone on with is gone: what was said is told to a new one. */
  | { act: "begin-anew" };

export interface Circumstances {
  base: string;
  key: string | null;
  isForced: boolean;
  kind: TransportKind;
  /** What was asked for: the id of a conversation, "new" or "none". */
  conversation: string;
  /** Whether this very connection stood. */
  isLive: boolean;
  /** Whether any of this call's did. */
  hasLived: boolean;
}

const RECONNECT: Next = { act: "reconnect" };

export async function judge(failure: Failure, now: Circumstances): Promise<Next> {
  if (isForgotten(failure)) return { act: "begin-anew" };
  if (isTakenOver(failure)) return show({ kind: "taken-over" });
  return now.kind === "webrtc" ? overWebRtc(failure, now) : overWebSocket(failure, now);
}

async function overWebRtc(failure: Failure, now: Circumstances): Promise<Next> {
  const { base, key, isForced, isLive, hasLived } = now;
  if (isLive && failure.kind === "ended") {
    // A server that stops closes its calls in good order too; one that goes on had its reasons.
    const isOver = !isAccident(failure) && (await isAnswering(base));
    return isOver ? decide(failure, key !== null, isForced) : RECONNECT;
  }
  if (hasLived && !isLive && isSilence(failure)) return RECONNECT;
  const decision = decide(failure, key !== null, isForced);
  const isLost = decision.act === "show" && (isAccident(failure) || failure.kind === "no-path");
  return hasLived && isLost ? RECONNECT : decision;
}

/** A WebSocket's refusal cannot be read: what came of it is found out by other means. */
async function overWebSocket(failure: Failure, now: Circumstances): Promise<Next> {
  const { base, key, conversation, isLive, hasLived } = now;
  if (isLive) return isAccident(failure) ? RECONNECT : show(lossOf(failure));
  if (failure.kind !== "closed") return show({ kind: "connection-slow" });
  const trouble = await diagnose(base, key);
  if (trouble.kind !== "server-away") return show(trouble);
  if (isResumed(conversation) && (await isKeptNoMore(base, key, conversation))) return { act: "begin-anew" };
  if (hasLived) return RECONNECT;
  return show(failure.wasOpen ? lossOf(failure) : trouble);
}

function show(trouble: Trouble): Next {
  return { act: "show", trouble };
}

/** 1000, 1008 and the 4000s are the server's decision; all else is an accident. */
function lossOf(failure: Failure): Trouble {
  const kind = isAccident(failure) ? "connection-lost" : "session-over";
  const reason = failure.kind === "closed" ? failure.reason : "";
  return reason ? { kind, detail: reason } : { kind };
}
