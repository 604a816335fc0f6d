/** Finds the words of a query in a text, so that they can be marked. */

export interface Part {
  text: string;
  isFound: boolean;
}

/** Letter case and accents do not count. Joined, the parts are `text` again. */
export function mark(text: string, query: string): Part[] {
  const found = new Array<boolean>(text.length).fill(false);
  const { plain, origins } = fold(text);
  for (const word of wordsOf(query)) {
    for (let at = plain.indexOf(word); at >= 0; at = plain.indexOf(word, at + word.length)) {
      const from = origins[at] ?? 0;
      const to = origins[at + word.length] ?? text.length;
      found.fill(true, from, to);
    }
  }
  return partsOf(text, found);
}

export function wordsOf(query: string): string[] {
  return fold(query).plain.match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** `origins[i]`: where in `text` the i-th letter of `plain` came from; one more at the end. */
function fold(text: string): { plain: string; origins: number[] } {
  let plain = "";
  const origins: number[] = [];
  let at = 0;
  for (const letter of text) {
    const bare = letter.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
    for (let i = 0; i < bare.length; i++) origins.push(at);
    plain += bare;
    at += letter.length;
  }
  origins.push(text.length);
  return { plain, origins };
}

function partsOf(text: string, found: readonly boolean[]): Part[] {
  const parts: Part[] = [];
  for (let from = 0, to = 0; from < text.length; from = to) {
    while (to < text.length && found[to] === found[from]) to++;
    parts.push({ text: text.slice(from, to), isFound: found[from] === true });
  }
  return parts;
}
