/**
 * Streaming sample-rate conversion: a polyphase windowed-sinc filter with a rational ratio, so it never
 * drifts. 16 zero crossings a side and a Blackman window keep aliases below -70 dB; the delay is 16 input
 * samples when going up and 16 output samples when going down, under 1 ms at the rates used here.
 */

const ZERO_CROSSINGS = 16;
// The pass band ends a little below Nyquist, so that the filter's slope lies inside it.
const ROLL_OFF = 0.94;

export class Resampler {
  readonly #up: number;
  readonly #down: number;
  readonly #taps: number;
  readonly #bank: Float32Array[];
  #history: Float32Array;
  // Where the next output lies, counted from the next input sample: whole samples and 1/up parts.
  #index = 0;
  #part = 0;

  constructor(inHz: number, outHz: number) {
    const divisor = gcd(inHz, outHz);
    this.#up = outHz / divisor;
    this.#down = inHz / divisor;
    const cutoff = Math.min(1, outHz / inHz);
    this.#taps = 2 * Math.ceil(ZERO_CROSSINGS / cutoff);
    this.#bank = filterBank(this.#up, this.#taps, cutoff * ROLL_OFF);
    this.#history = new Float32Array(this.#taps);
  }

  /** How many input samples `process` needs to give exactly `count` outputs. */
  needed(count: number): number {
    if (this.#isPassThrough) return count;
    return Math.max(0, this.#index + Math.floor((this.#part + (count - 1) * this.#down) / this.#up) + 1);
  }

  /** Converts all of `input`, giving at most `limit` samples; what is left over waits for the next call. */
  process(input: Float32Array, limit = Number.POSITIVE_INFINITY): Float32Array {
    if (this.#isPassThrough) return input;
    const span = new Float32Array(this.#taps + input.length);
    span.set(this.#history);
    span.set(input, this.#taps);
    const reachable = Math.ceil(((input.length - this.#index) * this.#up - this.#part) / this.#down);
    const out = new Float32Array(Math.max(0, Math.min(limit, reachable)));
    for (let n = 0; n < out.length; n++) {
      out[n] = dot(span, this.#index + 1, this.#bank[this.#part] as Float32Array);
      this.#part += this.#down;
      this.#index += Math.floor(this.#part / this.#up);
      this.#part %= this.#up;
    }
    this.#index -= input.length;
    this.#history = span.slice(input.length);
    return out;
  }

  reset(): void {
    this.#history.fill(0);
    this.#index = 0;
    this.#part = 0;
  }

  get #isPassThrough(): boolean {
    return this.#up === this.#down;
  }
}

function filterBank(phases: number, taps: number, cutoff: number): Float32Array[] {
  const half = taps / 2;
  return Array.from({ length: phases }, (_, phase) => {
    // Oldest sample first: entry m weighs the input that lies taps-1-m samples back.
    const row = Float32Array.from({ length: taps }, (_, m) => {
      const at = taps - 1 - m + phase / phases - half;
      return sinc(cutoff * at) * blackman(at / half);
    });
    const sum = row.reduce((a, b) => a + b, 0);
    return row.map((weight) => weight / sum);
  });
}

function dot(span: Float32Array, from: number, row: Float32Array): number {
  let sum = 0;
  for (let m = 0; m < row.length; m++) sum += (span[from + m] as number) * (row[m] as number);
  return sum;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function blackman(x: number): number {
  if (Math.abs(x) >= 1) return 0;
  return 0.42 + 0.5 * Math.cos(Math.PI * x) + 0.08 * Math.cos(2 * Math.PI * x);
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
