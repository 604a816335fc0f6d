/** The microphone itself: asked for once, and lent to whatever sends it. */

export class Microphone {
  readonly stream: MediaStream;

  /**
   * Asks for the microphone `deviceId`, or for the default one if that is null or gone. Rejects with the browser's
   * DOMException (NotAllowedError, NotFoundError, ...). `lost`: it was unplugged, or is no longer allowed.
   */
  static async open(lost: () => void, deviceId: string | null = null): Promise<Microphone> {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: {
        channelCount: 1,
        echoCancellation: true,
        noiseSuppression: true,
        autoGainControl: true,
        ...(deviceId ? { deviceId: { ideal: deviceId } } : {}),
      },
    });
    return new Microphone(stream, lost);
  }

  private constructor(stream: MediaStream, lost: () => void) {
    this.stream = stream;
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
