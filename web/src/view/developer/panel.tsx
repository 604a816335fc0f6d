/** For whoever builds on this server: its events as they pass, and how to connect. */

import type { EventLog } from "duologue-client";
import { useState } from "preact/hooks";
import { words } from "../../words";
import "./developer.css";
import { Events } from "./events";
import { Snippets } from "./snippets-view";

const TABS = ["events", "connect"] as const;

export interface DeveloperPanelProps {
  log: EventLog;
  /** The address that the server is found under. */
  base: string;
}

export function DeveloperPanel({ log, base }: DeveloperPanelProps) {
  const [tab, open] = useState<(typeof TABS)[number]>("events");
  const step = (event: KeyboardEvent) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = tab === "events" ? "connect" : "events";
    open(other);
    document.getElementById(`developer-tab-${other}`)?.focus();
  };
  return (
    <div class="developer">
      <div class="developer-tabs" role="tablist" aria-label={words.developer.tabs} onKeyDown={step}>
        {TABS.map((name) => (
          <button
            key={name}
            type="button"
            role="tab"
            id={`developer-tab-${name}`}
            aria-selected={tab === name}
            aria-controls={`developer-${name}`}
            tabIndex={tab === name ? 0 : -1}
            onClick={() => open(name)}
          >
            {words.developer[name]}
          </button>
        ))}
      </div>
      <div
        role="tabpanel"
        id={`developer-${tab}`}
        aria-labelledby={`developer-tab-${tab}`}
        class="developer-page"
      >
        {tab === "events" ? <Events log={log} /> : <Snippets base={base} />}
      </div>
    </div>
  );
}
