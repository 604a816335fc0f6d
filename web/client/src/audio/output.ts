/** Where sound goes, and how loud. */

// A step of loudness clicks; this is 95 % there after 45 ms.
const GLIDE_S = 0.015;

/** Goes to `volume`, from 0, silent, to 1, without a click. */
export function glide(gain: AudioParam, volume: number, nowS: number): void {
  gain.setTargetAtTime(within(volume), nowS, GLIDE_S);
}

export function within(volume: number): number {
  return Math.max(0, Math.min(1, volume));
}

/** An element or a context, as far as its device is concerned. TypeScript's DOM library knows it of elements alone. */
export interface Routed {
  setSinkId?(deviceId: string): Promise<void>;
}

/**
 * Sends what `output` plays to a device; null for the default one. Without effect where the browser cannot choose;
 * rejects with the browser's DOMException where the device cannot be used.
 */
export async function route(output: Routed, deviceId: string | null): Promise<void> {
  await output.setSinkId?.(deviceId ?? "");
}
