import { afterEach, describe, expect, it, vi } from "vitest";
import { Microphone } from "../src/audio/microphone";

/** A browser whose microphones are these; the first is the default one. Returns what was asked of it. */
function browserWith(devices: string[], refusal = "OverconstrainedError"): unknown[] {
  const asked: unknown[] = [];
  vi.stubGlobal("navigator", {
    mediaDevices: {
      getUserMedia: async ({ audio }: { audio: { deviceId?: { exact: string } } }) => {
        const wanted = audio.deviceId?.exact;
        asked.push(audio.deviceId ?? null);
        const found = wanted === undefined ? devices[0] : devices.find((id) => id === wanted);
        if (!found) throw new DOMException("No such device.", refusal);
        const track = { id: found, onended: null };
        return { id: found, getAudioTracks: () => [track], getTracks: () => [track] };
      },
    },
  });
  return asked;
}

afterEach(() => vi.unstubAllGlobals());

describe("the microphone", () => {
  it("is the default one where none is chosen", async () => {
    const asked = browserWith(["built-in", "headset"]);
    const microphone = await Microphone.open(() => {});
    expect([microphone.stream.id, microphone.isAsked]).toEqual(["built-in", true]);
    expect(asked).toEqual([null]);
  });

  it("is exactly the one that is chosen", async () => {
    const asked = browserWith(["built-in", "headset"]);
    const microphone = await Microphone.open(() => {}, "headset");
    expect([microphone.stream.id, microphone.isAsked]).toEqual(["headset", true]);
    expect(asked).toEqual([{ exact: "headset" }]);
  });

  it.each(["OverconstrainedError", "NotFoundError"])(
    "is the default one after %s, and says so",
    async (name) => {
      browserWith(["built-in"], name);
      const microphone = await Microphone.open(() => {}, "headset");
      expect([microphone.stream.id, microphone.isAsked]).toEqual(["built-in", false]);
    },
  );

  it("is not asked for twice where the user refused it", async () => {
    const asked = browserWith([], "NotAllowedError");
    await expect(Microphone.open(() => {}, "headset")).rejects.toThrow("No such device.");
    expect(asked).toHaveLength(1);
  });
});
