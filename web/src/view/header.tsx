/** The name, and what can be opened beside the talk. */

import type { ComponentChildren } from "preact";
import { words } from "../words";
import { Icon } from "./icons";

export const PANELS = ["conversations", "timing", "settings", "developer"] as const;
export type PanelName = (typeof PANELS)[number];

interface HeaderProps {
  panel: PanelName | null;
  toggle(panel: PanelName): void;
  /** Out of reach, behind a sheet. */
  isBehind: boolean;
  children: ComponentChildren;
}

export function Header({ panel, toggle, isBehind, children }: HeaderProps) {
  return (
    <header class="bar" inert={isBehind}>
      <h1>{words.name}</h1>
      <nav aria-label={words.name}>
        {PANELS.map((name) => (
          <button
            key={name}
            type="button"
            class="icon-button labelled"
            title={words.panels[name]}
            aria-expanded={panel === name}
            aria-controls={name}
            onClick={() => toggle(name)}
          >
            <Icon name={name} />
            <span>{words.panels[name]}</span>
          </button>
        ))}
        {children}
      </nav>
    </header>
  );
}
