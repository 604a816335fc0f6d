/** The words of the browser's language. */

import { en } from "./en";

export type { Line } from "./en";
export type Words = typeof en;

const TABLES: Record<string, Words> = { en };

/** The first of the browser's languages that there is a table for. */
export function wordsFor(languages: readonly string[]): Words {
  const known = languages.map((language) => TABLES[language.slice(0, 2).toLowerCase()]);
  return known.find((table) => table) ?? en;
}

export const words = wordsFor(globalThis.navigator?.languages ?? []);
