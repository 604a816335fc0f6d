import { describe, expect, it } from "vitest";
import { rms, toDb } from "../src/audio/level";
import { Resampler } from "../src/audio/resample";

function tone(hz: number, rate_hz: number, length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => 0.5 * Math.sin((2 * Math.PI * hz * i) / rate_hz));
}

function inPieces(resampler: Resampler, input: Float32Array, size: number): Float32Array {
  const out: number[] = [];
  for (let i = 0; i < input.length; i += size) out.push(...resampler.process(input.subarray(i, i + size)));
  return Float32Array.from(out);
}

/** Level of what is left once a tone of the same pitch, fitted by projection, is taken away. */
function errorDb(signal: Float32Array, hz: number, rate_hz: number): number {
  const cos = signal.map((_, i) => Math.cos((2 * Math.PI * hz * i) / rate_hz));
  const sin = signal.map((_, i) => Math.sin((2 * Math.PI * hz * i) / rate_hz));
  const project = (basis: Float32Array) =>
    signal.reduce((sum, x, i) => sum + x * (basis[i] as number), 0) /
    basis.reduce((sum, x) => sum + x * x, 0);
  const [a, b] = [project(cos), project(sin)];
  const rest = signal.map((x, i) => x - a * (cos[i] as number) - b * (sin[i] as number));
  return toDb(rms(rest)) - toDb(rms(signal));
}

describe.each([
  [48_000, 24_000],
  [44_100, 24_000],
  [16_000, 24_000],
  [24_000, 48_000],
  [24_000, 44_100],
  [96_000, 24_000],
])("resampling %d Hz to %d Hz", (inHz, outHz) => {
  it("keeps a tone of 1 kHz clean and as loud as it was", () => {
    const out = new Resampler(inHz, outHz).process(tone(1000, inHz, inHz / 2));
    const settled = out.subarray(200);
    expect(errorDb(settled, 1000, outHz)).toBeLessThan(-60);
    expect(toDb(rms(settled))).toBeCloseTo(toDb(0.5 / Math.SQRT2), 1);
  });

  it("gives the same samples however the input is cut", () => {
    const input = tone(440, inHz, 5000);
    const whole = new Resampler(inHz, outHz).process(input);
    expect(inPieces(new Resampler(inHz, outHz), input, 128)).toEqual(whole);
    expect(inPieces(new Resampler(inHz, outHz), input, 1)).toEqual(whole);
  });

  it("neither gains nor loses time", () => {
    const out = new Resampler(inHz, outHz).process(new Float32Array(inHz));
    expect(out.length).toBe(outHz);
  });

  it("gives exactly as many samples as were asked for", () => {
    const resampler = new Resampler(inHz, outHz);
    let taken = 0;
    for (let i = 0; i < 500; i++) {
      const input = new Float32Array(resampler.needed(128));
      taken += input.length;
      expect(resampler.process(input, 128).length).toBe(128);
    }
    expect(Math.abs(taken - (500 * 128 * inHz) / outHz)).toBeLessThanOrEqual(Math.max(1, inHz / outHz));
  });
});

describe("Resampler", () => {
  it("lets nothing above the lower rate's Nyquist through", () => {
    const out = new Resampler(48_000, 24_000).process(tone(15_000, 48_000, 24_000));
    expect(toDb(rms(out.subarray(200)))).toBeLessThan(-65);
  });

  it("passes equal rates through untouched", () => {
    const input = tone(440, 24_000, 480);
    expect(new Resampler(24_000, 24_000).process(input)).toBe(input);
  });

  it("forgets the past when reset", () => {
    const resampler = new Resampler(48_000, 24_000);
    const first = resampler.process(tone(440, 48_000, 999));
    resampler.reset();
    expect(resampler.process(tone(440, 48_000, 999))).toEqual(first);
  });
});
