/**
 * Which words of an answer were heard. The server sends words and sound in step, so a word that arrives
 * after n ms of sound is taken to begin there; between two such points words are spread evenly.
 */

/** Text from this character on begins at this point of the item's sound. */
export interface Cue {
  char: number;
  ms: number;
}

export interface SpokenText {
  text: string;
  cues: readonly Cue[];
  /** Sound received so far. */
  audioMs: number;
  /** Sound played so far. */
  heardMs: number;
}

/** The number of characters heard, ending at a word's end. */
export function heardLength({ text, cues, audioMs, heardMs }: SpokenText): number {
  if (audioMs === 0 || heardMs === 0) return 0;
  if (heardMs >= audioMs) return text.length;
  const points = [...firstOfEach(cues), { char: text.length, ms: audioMs }];
  const next = points.findIndex((point) => point.ms > heardMs);
  const from = points[next - 1];
  const to = points[next];
  if (!from || !to) return 0;
  const share = (heardMs - from.ms) / (to.ms - from.ms);
  return endOfWord(text, Math.floor(from.char + share * (to.char - from.char)));
}

/** Several pieces of text may arrive at one point of the sound: the earliest begins there. */
function firstOfEach(cues: readonly Cue[]): Cue[] {
  return cues.filter((cue, i) => cues[i - 1]?.ms !== cue.ms);
}

function endOfWord(text: string, at: number): number {
  if (at >= text.length || /\s/.test(text[at] as string)) return Math.min(at, text.length);
  return text.slice(0, at).search(/\s\S*$/) + 1;
}
