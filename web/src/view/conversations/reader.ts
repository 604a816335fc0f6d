/** How the reader writes dates and numbers. */

import { words } from "../../words";

/** As the browser has it (British, American), in the language that the page is in. */
export function localeOf(language: string, ofBrowser: readonly string[]): string {
  const tag = ofBrowser.find((each) => each === language || each.startsWith(`${language}-`));
  return tag ?? language;
}

export const locale = localeOf(words.locale, globalThis.navigator?.languages ?? []);
