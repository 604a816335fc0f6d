/**
 * When an answer's first sound is heard, where all answers come on one track: the end of the one before may still sound
 * when the next is on its way. No I/O.
 */

// What a browser holds ready to be played, in pieces of 20 ms: after so much the sound is the new answer's, and its
// beginning is not to be told.
const MOST_TAIL = 300 / 20;

export class Onset {
  #replyId: string | null = null;
  #isSounding = false;
  /** Pieces of the answer before that are still let pass. */
  #tail = 0;

  /** The answer's sound has been sent. */
  expect(replyId: string): void {
    this.#replyId = replyId;
    this.#tail = this.#isSounding ? MOST_TAIL : 0;
  }

  /** Every 20 ms of the track; `onsetS`: its first audible sample, on the audio clock, null in silence. */
  hear(onsetS: number | null): { replyId: string; atS: number } | null {
    this.#isSounding = onsetS !== null;
    if (this.#replyId === null) return null;
    if (onsetS === null) this.#tail = 0;
    else if (this.#tail > 0) {
      this.#tail -= 1;
      if (this.#tail === 0) this.#replyId = null;
    } else {
      const begun = { replyId: this.#replyId, atS: onsetS };
      this.#replyId = null;
      return begun;
    }
    return null;
  }
}
