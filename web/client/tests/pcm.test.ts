import { describe, expect, it } from "vitest";
import { decodeBase64, encodeBase64, samplesToMs, toFloat, toInt16 } from "../src/audio/pcm";

describe("PCM", () => {
  it("clips what is too loud and silences what is no number", () => {
    const samples = toInt16(Float32Array.of(0, 0.5, 1, -1, 2, -7, Number.NaN));
    expect([...samples]).toEqual([0, 16384, 32767, -32767, 32767, -32767, 0]);
  });

  it("is little-endian on the wire", () => {
    expect(atob(encodeBase64(Int16Array.of(0x1234, -2)))).toBe("\x34\x12\xfe\xff");
  });

  it("comes back from base64 as it went, at any length", () => {
    for (const length of [0, 1, 480, 30_001]) {
      const samples = Int16Array.from({ length }, (_, i) => ((i * 7919) % 65_536) - 32_768);
      expect(decodeBase64(encodeBase64(samples))).toEqual(samples);
    }
  });

  it("drops an odd last byte", () => {
    expect([...decodeBase64(btoa("\x01\x00\x02"))]).toEqual([1]);
  });

  it("survives floats and back within one step", () => {
    const samples = Int16Array.of(-32768, -1, 0, 1, 32767);
    const back = toInt16(toFloat(samples));
    for (let i = 0; i < samples.length; i++) {
      expect(Math.abs((back[i] as number) - (samples[i] as number))).toBeLessThanOrEqual(1);
    }
  });

  it("counts time at 24 kHz", () => {
    expect(samplesToMs(480)).toBe(20);
  });
});
