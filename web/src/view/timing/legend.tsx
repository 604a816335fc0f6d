/** Which colour is which stage, and what the lines are. */

import { STAGES, stagesOf, type TurnTiming } from "duologue-client";
import { words } from "../../words";
import { Swatch } from "./marks";

/** Of the stages that there are. */
export function Legend({ timings }: { timings: readonly TurnTiming[] }) {
  const there = new Set(timings.flatMap((timing) => stagesOf(timing).map(({ name }) => name)));
  return (
    <>
      <ul class="timing-legend">
        {STAGES.filter((name) => there.has(name)).map((name) => (
          <li key={name}>
            <Swatch name={name} />
            {words.waterfall.stages[name]}
          </li>
        ))}
      </ul>
      <p class="timing-note">{words.waterfall.targets}</p>
    </>
  );
}
