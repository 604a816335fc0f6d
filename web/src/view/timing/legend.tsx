/** Which colour is which stage, and what the lines are. */

import { STAGES, stagesOf, type TurnTiming } from "duologue-client";
import type { ComponentChildren } from "preact";
import { words } from "../../words";
import { isTyped } from "./figures";
import { OpenEnd, Swatch } from "./marks";

/** Of what there is. */
export function Legend({ timings }: { timings: readonly TurnTiming[] }) {
  const told = timings.filter(({ server }) => server);
  const untold = timings.filter(({ server, page }) => page && !server);
  const there = new Set(told.flatMap((timing) => stagesOf(timing).map(({ name }) => name)));
  const { stages, openColumn, untoldColumn, typedColumn, targets } = words.waterfall;
  return (
    <>
      <ul class="timing-legend">
        {STAGES.filter((name) => there.has(name)).map((name) => (
          <li key={name}>
            <Swatch name={name} />
            {stages[name]}
          </li>
        ))}
        {untold.length > 0 && (
          <Mark name={untold.every(isTyped) ? typedColumn : untoldColumn}>
            <rect class="stage-untold" width="12" height="12" rx="2" />
          </Mark>
        )}
        {timings.some(({ server, page }) => server && !page) && (
          <Mark name={openColumn}>
            <OpenEnd x="1" y={2} width="10" />
          </Mark>
        )}
      </ul>
      <p class="timing-note">{targets}</p>
    </>
  );
}

function Mark({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <li>
      <svg class="timing-swatch" width="12" height="12" aria-hidden="true">
        {children}
      </svg>
      {name}
    </li>
  );
}
