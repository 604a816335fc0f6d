/** The microphone itself: asked for once, and lent to whatever sends it. */

export class Microphone {
  readonly stream: MediaStream;

  /** Asks for the microphone. Rejects with the browser's DOMException (NotAllowedError, NotFoundError, ...). */
  static async open(lost: () => void): Promise<Microphone> {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
    return new Microphone(stream, lost);
  }

  private constructor(stream: MediaStream, lost: () => void) {
    this.stream = stream;
    for (const track of stream.getAudioTracks()) track.onended = lost;
  }

  close(): void {
    for (const track of this.stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
  }
}
