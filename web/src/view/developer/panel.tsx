/** The protocol's events, for whoever builds on them. */

import type { EventLog } from "duologue-client";

export function DeveloperPanel({ log }: { log: EventLog; base: string }) {
  return (
    <ol>
      {log.events.map(({ number, type }) => (
        <li key={number}>{type}</li>
      ))}
    </ol>
  );
}
