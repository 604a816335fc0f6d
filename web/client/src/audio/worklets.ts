/** The code that runs beside the sound. */

import captureUrl from "./capture.worklet?worker&url";
import meterUrl from "./meter.worklet?worker&url";
import playbackUrl from "./playback.worklet?worker&url";

/**
 * Fetches all of it: whoever asks for a part later needs nothing of the server, which may be away by then. Rejects with
 * an AbortError where it cannot be fetched.
 */
export async function loadWorklets({ audioWorklet }: AudioContext): Promise<void> {
  await Promise.all([captureUrl, meterUrl, playbackUrl].map((url) => audioWorklet.addModule(url)));
}
