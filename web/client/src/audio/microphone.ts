/** The microphone itself: asked for once, and lent to whatever sends it. */

const GONE = ["OverconstrainedError", "NotFoundError"];

export class Microphone {
  readonly stream: MediaStream;
  /** Whether it is the one that was asked for; the default one otherwise. */
  readonly isAsked: boolean;

  /**
   * Asks for the microphone `deviceId`, or for the default one if that is null or gone. Rejects with the browser's
   * DOMException (NotAllowedError, NotFoundError, ...). `lost`: it was unplugged, or is no longer allowed.
   */
  static async open(lost: () => void, deviceId: string | null = null): Promise<Microphone> {
    const chosen = deviceId === null ? null : await find(deviceId);
    return new Microphone(chosen ?? (await ask({})), lost, deviceId === null || chosen !== null);
  }

  private constructor(stream: MediaStream, lost: () => void, isAsked: boolean) {
    this.stream = stream;
    this.isAsked = isAsked;
    for (const track of stream.getAudioTracks()) track.onended = lost;
  }

  /** Silence goes out in its place, so that the time of the conversation goes on. */
  setMuted(isMuted: boolean): void {
    for (const track of this.stream.getAudioTracks()) track.enabled = !isMuted;
  }

  close(): void {
    for (const track of this.stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
  }
}

/** Null where there is no such device. One that is only wished for is not chosen by Chromium. */
async function find(deviceId: string): Promise<MediaStream | null> {
  try {
    return await ask({ deviceId: { exact: deviceId } });
  } catch (error) {
    // An OverconstrainedError was no DOMException in older browsers.
    if (GONE.includes(Object(error).name)) return null;
    throw error;
  }
}

function ask(which: MediaTrackConstraints): Promise<MediaStream> {
  const clean = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  return navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, ...clean, ...which } });
}
