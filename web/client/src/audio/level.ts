/** How loud a stretch of samples is, and a meter that rises at once and falls gently. */

const FLOOR_DB = -60;
const CEILING_DB = -12;
const FALL_PER_S = 2.5;
/** About -50 dBFS: above a synthesizer's dither, below its softest consonant. */
export const AUDIBLE = 0.003;

export function rms(samples: Float32Array): number {
  if (samples.length === 0) return 0;
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += (samples[i] as number) ** 2;
  return Math.sqrt(sum / samples.length);
}

export function toDb(amplitude: number): number {
  return amplitude > 0 ? 20 * Math.log10(amplitude) : Number.NEGATIVE_INFINITY;
}

/** Maps -60 dBFS (a quiet room) to 0 and -12 dBFS (close, firm speech) to 1. */
export function meterOf(amplitude: number): number {
  const share = (toDb(amplitude) - FLOOR_DB) / (CEILING_DB - FLOOR_DB);
  return Math.max(0, Math.min(1, share));
}

export class LevelFollower {
  #level = 0;
  #target = 0;

  hear(amplitude: number): void {
    this.#target = meterOf(amplitude);
  }

  /** The level to show `elapsed_s` after the last call. */
  step(elapsed_s: number): number {
    this.#level = Math.max(this.#target, this.#level - FALL_PER_S * elapsed_s);
    return this.#level;
  }
}
