/** Where the time of each answer went, and of all of them. */

import { type Entries, type TurnTiming, totalMs } from "duologue-client";
import { useState } from "preact/hooks";
import { words } from "../../words";
import { save } from "../copy";
import { Icon } from "../icons";
import { Chart } from "./chart";
import { asCsv, saidIn } from "./csv";
import { topOf } from "./figures";
import { Hatches } from "./marks";
import { Sources } from "./sources";
import { Overview, SummaryTable } from "./summary";
import { Waterfall } from "./waterfall";
import "./timing.css";

export interface TimingPanelProps {
  timings: readonly TurnTiming[];
  entries: Entries;
}

export function TimingPanel({ timings, entries }: TimingPanelProps) {
  if (timings.length === 0) return <Empty />;
  return (
    <div class="timing">
      <Hatches />
      <Turns timings={timings} entries={entries} />
      <SummaryTable timings={timings} />
      <button
        type="button"
        class="timing-save"
        onClick={() => save("duologue-timing.csv", "text/csv", asCsv(timings, entries))}
      >
        {words.waterfall.csv}
      </button>
    </div>
  );
}

function Empty() {
  return (
    <div class="timing-empty">
      <Icon name="timing" />
      <p class="timing-title">{words.waterfall.empty}</p>
      <p>{words.waterfall.emptyHint}</p>
    </div>
  );
}

/** All answers, and the one that was chosen; until one is, the newest. */
function Turns({ timings, entries }: TimingPanelProps) {
  const [chosenId, choose] = useState<string | null>(null);
  const found = timings.findIndex(({ replyId }) => replyId === chosenId);
  const index = found < 0 ? timings.length - 1 : found;
  const timing = timings[index];
  if (!timing) return null;
  // Whoever goes to the newest one means to see those that come, too.
  const go = (to: number) => choose(to >= timings.length - 1 ? null : (timings[to]?.replyId ?? null));
  const topMs = topOf(timings.flatMap((each) => totalMs(each) ?? []));
  return (
    <>
      <section aria-label={words.waterfall.conversation}>
        <Overview timings={timings} />
        <Chart timings={timings} topMs={topMs} index={index} choose={go} />
      </section>
      <section aria-label={words.waterfall.turn(index + 1, timings.length)}>
        <TurnHead index={index} count={timings.length} go={go} />
        <Waterfall key={timing.replyId} timing={timing} said={saidIn(entries, timing)} topMs={topMs} />
        <Sources timing={timing} entries={entries} />
      </section>
    </>
  );
}

function TurnHead({ index, count, go }: { index: number; count: number; go(index: number): void }) {
  const { turn, previous, next } = words.waterfall;
  return (
    <div class="timing-head">
      <h3>{turn(index + 1, count)}</h3>
      {count > 1 && (
        <div class="timing-steps">
          <button type="button" disabled={index === 0} aria-label={previous} onClick={() => go(index - 1)}>
            <Arrow path="M14.5 6l-6 6 6 6" />
          </button>
          <button
            type="button"
            disabled={index === count - 1}
            aria-label={next}
            onClick={() => go(index + 1)}
          >
            <Arrow path="M9.5 6l6 6-6 6" />
          </button>
        </div>
      )}
    </div>
  );
}

function Arrow({ path }: { path: string }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={path} />
    </svg>
  );
}
