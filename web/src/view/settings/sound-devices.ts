/** Sorts what `enumerateDevices` tells. No I/O. */

export interface SoundDevice {
  id: string;
  /** "" until the microphone is allowed. */
  label: string;
}

export interface SoundDevices {
  microphones: SoundDevice[];
  speakers: SoundDevice[];
  hasNames: boolean;
}

type Told = Pick<MediaDeviceInfo, "kind" | "deviceId" | "label">;

// Chromium's own entries for what the system prefers: our "default" says the same.
const ALIASES = new Set(["", "default", "communications"]);

export function sortDevices(all: readonly Told[]): SoundDevices {
  const of = (kind: MediaDeviceKind) =>
    all
      .filter((each) => each.kind === kind && !ALIASES.has(each.deviceId))
      .map(({ deviceId, label }) => ({ id: deviceId, label }));
  const hasNames = all.some(({ kind, label }) => kind === "audioinput" && label !== "");
  return { microphones: of("audioinput"), speakers: of("audiooutput"), hasNames };
}
