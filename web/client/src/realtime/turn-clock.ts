/**
 * Voice-to-voice time of a turn as this page can measure it: from the last audible 20 ms of the user's
 * speech at the microphone to the first audible sample of the answer at the speaker, on one audio clock.
 *
 * The end of speech is read from the sound itself, since the server's `audio_end_ms` may include the silence
 * that it waited for, or leave out a soft last syllable. It lies before the server's word that speech is over came
 * in. Where speech does not stand 20 dB clear of the room, or was still going on then, there is no figure.
 */

import { toDb } from "../audio/level";
import type { PageTiming } from "./timing";

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
// Before the server's word that speech has begun comes in, it has begun.
const BEFORE_START_S = 1;
const ABOVE_ROOM_DB = 10;
const BELOW_PEAK_DB = 30;
// Digital silence would make every room infinitely quiet.
const QUIETEST_DB = -80;
// Of so many looks at the difference between the two counts, the one in the middle is taken.
const LOOKS = 5;
// Two counts that put the end of speech so far apart have slipped: a device sent nothing for a while.
const MOST_APART_MS = 300;

/** Where a stretch of speech begins or ends: by the server's count, and when the page was told. */
interface Edge {
  ms: number;
  toldS: number;
}

export class TurnClock {
  #frames: Frame[] = [];
  #dropped = 0;
  #start: Edge | null = null;
  #end: Edge | null = null;
  #arrivedS: number | null = null;
  #aheadMs: number[] = [];

  /** Every 20 ms frame that is sent, in order: the server counts its milliseconds from the first one. */
  hear(rms: number, endS: number): void {
    this.#frames.push({ db: Math.max(QUIETEST_DB, toDb(rms)), endS });
    if (this.#frames.length <= KEPT_FRAMES) return;
    this.#frames.shift();
    this.#dropped += 1;
  }

  /**
   * `sentMs` had been sent at `atS`. A WebSocket sends the very frames that are heard here, and needs no such word.
   * Over WebRTC the browser sends by itself, and began some packets before or after the first frame: the server's
   * count is this one, give or take the packet under way and the frame under way, 20 ms each, and packets that were
   * lost before the first that arrived. Frames that a busy page has not been told of yet count as heard.
   */
  align(sentMs: number, atS: number): void {
    const lastS = this.#frames.at(-1)?.endS;
    if (lastS === undefined) return;
    const heardMs = (this.#dropped + this.#frames.length) * FRAME_MS + (atS - lastS) * 1000;
    this.#aheadMs = [...this.#aheadMs, sentMs - heardMs].slice(-LOOKS);
  }

  /** `toldS`: when the server's word came in. */
  speechStarted(ms: number, toldS: number): void {
    this.#start = { ms, toldS };
    this.#end = null;
    this.#arrivedS = null;
  }

  speechStopped(ms: number, toldS: number): void {
    this.#end = { ms, toldS };
  }

  /** Where the server puts the end of the speech that stopped: its last word counts. */
  speechEnded(ms: number): void {
    if (this.#end) this.#end.ms = ms;
  }

  /** The answer's first sound came in. */
  arrived(atS: number): void {
    this.#arrivedS = atS;
  }

  /** The turn's times, if `atS` is its answer's first audible sample; null if they cannot be told. Once for each turn. */
  answered(atS: number): PageTiming | null {
    const [start, end] = [this.#start, this.#end];
    if (!start || !end) return null;
    this.#start = null;
    const lastS = this.#lastVoiceS(start, end);
    if (lastS === null || atS <= lastS) return null;
    const sinceMs = (momentS: number) => Math.round((momentS - lastS) * 1000);
    const arrivedMs = sinceMs(Math.min(this.#arrivedS ?? atS, atS));
    const earlierMs = sinceMs(this.#momentS(end.ms) ?? lastS);
    const hasSlipped = !this.#isOneCount && Math.abs(earlierMs) > MOST_APART_MS;
    return {
      endEarlierMs: hasSlipped ? 0 : earlierMs,
      arrivedMs: Math.max(0, arrivedMs),
      audibleMs: sinceMs(atS),
    };
  }

  #lastVoiceS(start: Edge, end: Edge): number | null {
    const from = this.#countAt(start.toldS - BEFORE_START_S);
    const told = this.#countAt(end.toldS);
    // Where both count the same frames, a noise after the end is known for one.
    const to = this.#isOneCount ? Math.min(told, this.#indexOf(end.ms + AFTER_END_MS)) : told;
    return lastVoiceS(this.#frames.slice(Math.max(0, to - ROOM_FRAMES), to), this.#frames.slice(from, to));
  }

  /** How many of the frames that are kept had ended by then. */
  #countAt(momentS: number): number {
    return this.#frames.findLastIndex((frame) => frame.endS <= momentS) + 1;
  }

  /** The page's moment of one of the server's milliseconds; null where it was not heard, or too long ago. */
  #momentS(ms: number): number | null {
    const index = this.#indexOf(ms - FRAME_MS / 2);
    const frame = this.#frames[index];
    if (!frame) return null;
    const endMs = (index + 1 + this.#dropped) * FRAME_MS + this.#offsetMs;
    return frame.endS - (endMs - ms) / 1000;
  }

  #indexOf(ms: number): number {
    return Math.max(0, Math.round((ms - this.#offsetMs) / FRAME_MS) - this.#dropped);
  }

  /** The very frames that are heard here are sent. */
  get #isOneCount(): boolean {
    return this.#aheadMs.length === 0;
  }

  /** By how much the server's count is ahead of the frames. */
  get #offsetMs(): number {
    const sorted = [...this.#aheadMs].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? 0;
  }
}

function lastVoiceS(around: Frame[], turn: Frame[]): number | null {
  const roomDb = quantile(around, 0.1);
  const peakDb = quantile(turn, 0.95);
  if (!(peakDb - roomDb >= CLEAR_DB)) return null;
  const limitDb = Math.max(roomDb + ABOVE_ROOM_DB, peakDb - BELOW_PEAK_DB);
  const last = turn.findLastIndex((frame) => frame.db > limitDb);
  // Loud to its last frame: it goes on, and where it ends is not known here.
  return last === turn.length - 1 ? null : (turn[last]?.endS ?? null);
}

function quantile(frames: Frame[], share: number): number {
  const sorted = frames.map((frame) => frame.db).sort((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
}
