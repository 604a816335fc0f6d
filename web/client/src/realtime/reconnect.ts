/** When to try again after the line was lost, and whether that makes sense. No I/O of its own. */

import type { Failure } from "./transport";

const FIRST_MS = 1000;
const LONGEST_MS = 5000;
/** A line that stood so long is a new start: what is lost sooner was hardly there. */
export const STOOD_MS = 10_000;
/** A server that starts anew loads its models; who is longer without a network has left the talk. */
const GIVE_UP_MS = 120_000;

export interface Timing {
  nowMs(): number;
  /** Resolves after so many ms. */
  sleep(ms: number): Promise<void>;
  /** In [0, 1). */
  random(): number;
}

/**
 * How long to wait before try number `count`, from 0: up to twice as long each time, and all pages of a server that
 * went away spread over three quarters of it.
 */
export function delayMs(count: number, random: number): number {
  const most = Math.min(LONGEST_MS, FIRST_MS * 2 ** count);
  return Math.round(most * (0.25 + 0.75 * random));
}

/** The tries to reconnect after one loss, and after those that follow on its heels. */
export class Reconnection {
  readonly #timing: Timing;
  #sinceMs: number;
  #stoodMs: number | null = null;
  #count = 0;
  #isOver = false;
  #wake: () => void = () => {};

  constructor(timing: Timing) {
    this.#timing = timing;
    this.#sinceMs = timing.nowMs();
  }

  /** The line stands again. */
  stands(): void {
    this.#stoodMs = this.#timing.nowMs();
  }

  /** Resolves when it is time to try; with false when it is time to give up. */
  async turn(): Promise<boolean> {
    this.#beginAnew();
    const leftMs = this.#sinceMs + GIVE_UP_MS - this.#timing.nowMs();
    if (this.#isOver || leftMs <= 0) return false;
    const ms = Math.min(leftMs, delayMs(this.#count, this.#timing.random()));
    this.#count += 1;
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    await Promise.race([this.#timing.sleep(ms), woken]);
    return !this.#isOver;
  }

  /** The network is back: the next try is now, and those after it come soon. */
  nudge(): void {
    this.#count = 0;
    this.#wake();
  }

  #beginAnew(): void {
    const nowMs = this.#timing.nowMs();
    const hasStood = this.#stoodMs !== null && nowMs - this.#stoodMs >= STOOD_MS;
    this.#stoodMs = null;
    if (!hasStood) return;
    this.#sinceMs = nowMs;
    this.#count = 0;
  }

  stop(): void {
    this.#isOver = true;
    this.#wake();
  }
}

/** Whether a line that stood was lost by accident. 1000, 1008 and the 4000s are the server's decision. */
export function isAccident(failure: Failure): boolean {
  if (failure.kind === "closed") return failure.code !== 1000 && failure.code !== 1008 && failure.code < 4000;
  if (failure.kind === "ended") return failure.code === "session_expired";
  return failure.kind === "broken" || failure.kind === "slow";
}

/** Whether a server that was there before did not answer at all: it may be on its way back. */
export function isSilence({ kind }: Failure): boolean {
  return kind === "unanswered" || kind === "broken";
}

// The server's words, as a WebSocket's close has them; over WebRTC it gives a code.
const ELSEWHERE = "The conversation goes on elsewhere.";

/** Whether another page has taken the conversation over. */
export function isTakenOver(failure: Failure): boolean {
  if (failure.kind === "closed") return failure.code === 1000 && failure.reason === ELSEWHERE;
  return failure.kind === "ended" && failure.code === "conversation_taken_over";
}

/** Whether the server answered that it does not have the conversation any more. */
export function isForgotten(failure: Failure): boolean {
  return failure.kind === "refused" && failure.status === 404 && failure.code === "conversation_not_found";
}
