/**
 * Voice-to-voice time of a turn as this page can measure it: from the last audible 20 ms of the user's
 * speech at the microphone to the first audible sample of the answer at the speaker, on one audio clock.
 *
 * The end of speech is read from the sound itself, since the server's `audio_end_ms` may include the silence
 * that it waited for. Where speech does not stand 20 dB clear of the room, there is no figure.
 */

import { toDb } from "../audio/level";

interface Frame {
  db: number;
  endS: number;
}

const FRAME_MS = 20;
const KEPT_FRAMES = 60_000 / FRAME_MS;
const ROOM_FRAMES = 10_000 / FRAME_MS;
// Speech trails off below what a server's voice detection takes for its end.
const AFTER_END_MS = 300;
const CLEAR_DB = 20;
const ABOVE_ROOM_DB = 10;
const BELOW_PEAK_DB = 30;
// Digital silence would make every room infinitely quiet.
const QUIETEST_DB = -80;

export class TurnClock {
  #frames: Frame[] = [];
  #dropped = 0;
  #startMs: number | null = null;
  #endMs: number | null = null;

  /** Every 20 ms frame that is sent, in order: the server counts its milliseconds from the first one. */
  hear(rms: number, endS: number): void {
    this.#frames.push({ db: Math.max(QUIETEST_DB, toDb(rms)), endS });
    if (this.#frames.length <= KEPT_FRAMES) return;
    this.#frames.shift();
    this.#dropped += 1;
  }

  speechStarted(startMs: number): void {
    this.#startMs = startMs;
    this.#endMs = null;
  }

  speechStopped(endMs: number): void {
    this.#endMs = endMs;
  }

  /** The turn's time in ms if `atS` is its answer's first audible sample; null if it cannot be told. */
  answered(atS: number): number | null {
    if (this.#startMs === null || this.#endMs === null) return null;
    const from = this.#indexOf(this.#startMs);
    const to = this.#indexOf(this.#endMs + AFTER_END_MS);
    this.#startMs = null;
    const lastS = lastVoiceS(
      this.#frames.slice(Math.max(0, to - ROOM_FRAMES), to),
      this.#frames.slice(from, to),
    );
    return lastS === null || atS <= lastS ? null : Math.round((atS - lastS) * 1000);
  }

  #indexOf(ms: number): number {
    return Math.max(0, Math.round(ms / FRAME_MS) - this.#dropped);
  }
}

function lastVoiceS(around: Frame[], turn: Frame[]): number | null {
  const roomDb = quantile(around, 0.1);
  const peakDb = quantile(turn, 0.95);
  if (!(peakDb - roomDb >= CLEAR_DB)) return null;
  const limitDb = Math.max(roomDb + ABOVE_ROOM_DB, peakDb - BELOW_PEAK_DB);
  return turn.findLast((frame) => frame.db > limitDb)?.endS ?? null;
}

function quantile(frames: Frame[], share: number): number {
  const sorted = frames.map((frame) => frame.db).sort((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
}
