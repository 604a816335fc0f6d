/** Light or dark: as the system has it, or as the person chose. */

import type { Theme } from "./prefs";

/** `base.css` reads the attribute. */
export function applyTheme(theme: Theme): void {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
