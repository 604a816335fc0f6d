/** All answers: a column for each, its stages stacked in their order, the targets as lines. */

import { type Stage, stagesOf, type TurnTiming, totalMs } from "duologue-client";
import { useLayoutEffect, useRef } from "preact/hooks";
import { words } from "../../words";
import { TARGET_VOICE_MS, TARGET_WORDS_MS, ticksOf, wordsKnownMs } from "./figures";
import { Legend } from "./legend";
import { OpenEnd } from "./marks";
import { slowestLine } from "./waterfall";

interface ChartProps {
  timings: readonly TurnTiming[];
  topMs: number;
  index: number;
  choose(index: number): void;
}

const STEPS: Record<string, number> = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

export function Chart({ timings, topMs, index, choose }: ChartProps) {
  const columns = useRef<HTMLDivElement>(null);
  const chosen = () => columns.current?.querySelector<HTMLElement>("[aria-checked=true]");
  useLayoutEffect(() => {
    // Scrolls the columns alone: scrollIntoView would move the panel, too.
    const [box, column] = [columns.current, chosen()];
    if (box && column) box.scrollLeft = column.offsetLeft - (box.clientWidth - column.offsetWidth) / 2;
  }, [index, timings.length]);
  const step = (event: KeyboardEvent) => {
    const to = index + (STEPS[event.key] ?? 0);
    if (to === index || !timings[to]) return;
    event.preventDefault();
    choose(to);
    requestAnimationFrame(() => chosen()?.focus({ preventScroll: true }));
  };
  return (
    <>
      <div class="chart">
        <Grid topMs={topMs} />
        <div
          class="chart-columns"
          ref={columns}
          role="radiogroup"
          aria-label={words.waterfall.choose}
          onKeyDown={step}
        >
          {timings.map((timing, i) => (
            <Column
              key={timing.replyId}
              timing={timing}
              number={i + 1}
              topMs={topMs}
              isChosen={i === index}
              choose={() => choose(i)}
            />
          ))}
        </div>
      </div>
      <Legend timings={timings} />
    </>
  );
}

const HEIGHT = 150;
// For the figure over a column that is as high as the chart, and the mark of one that goes on unmeasured.
const HEAD = 26;
const OPEN_END = 8;
const yOf = (ms: number, topMs: number) => HEAD + HEIGHT * (1 - ms / topMs);

/** Behind the columns, which may be scrolled over it. */
function Grid({ topMs }: { topMs: number }) {
  const y = (ms: number) => yOf(ms, topMs);
  const lines = [
    { ms: TARGET_VOICE_MS, kind: "target", name: words.waterfall.targetVoice },
    { ms: TARGET_WORDS_MS, kind: "target words", name: words.waterfall.targetWords },
  ];
  return (
    <svg class="chart-grid" width="100%" height={HEAD + HEIGHT + 1} aria-hidden="true">
      {ticksOf(topMs, 4).map((ms) => (
        <g key={ms}>
          <line class="tick" x1="44" x2="100%" y1={y(ms)} y2={y(ms)} />
          <text class="tick" x="38" y={y(ms) + 4} text-anchor="end">
            {ms === 0 ? "0" : words.waterfall.brief(ms)}
          </text>
        </g>
      ))}
      {lines.map(({ ms, kind, name }) => (
        <g key={ms}>
          <line class={kind} x1="44" x2="100%" y1={y(ms)} y2={y(ms)} />
          <text class="target-name" x="100%" y={y(ms) - 3} text-anchor="end">
            {name}
          </text>
        </g>
      ))}
    </svg>
  );
}

interface ColumnProps {
  timing: TurnTiming;
  number: number;
  topMs: number;
  isChosen: boolean;
  choose(): void;
}

function Column({ timing, number, topMs, isChosen, choose }: ColumnProps) {
  const stages = stagesOf(timing);
  const total = totalMs(timing);
  const isOpen = total !== null && !timing.page;
  const { brief, none } = words.waterfall;
  const told = tellColumn(timing, number);
  const topY = Math.max(HEAD, yOf(total ?? 0, topMs)) - (isOpen ? OPEN_END : 0);
  return (
    // biome-ignore lint/a11y/useSemanticElements: a picture to choose, not a round button with a label.
    <button
      type="button"
      role="radio"
      class="chart-column"
      aria-checked={isChosen}
      aria-label={told}
      title={told}
      tabIndex={isChosen ? 0 : -1}
      onClick={choose}
    >
      <svg width="100%" height={HEAD + HEIGHT + 18} aria-hidden="true">
        {total !== null && (
          <Stack stages={stages} total={total} topMs={topMs} isTold={timing.server !== null} />
        )}
        {isOpen && <OpenEnd x="16%" y={topY} width="68%" />}
        <text class="column-ms" x="50%" y={topY - 5} text-anchor="middle">
          {total === null ? none : total < 1000 ? total : brief(total)}
        </text>
        <text class="tick" x="50%" y={HEAD + HEIGHT + 14} text-anchor="middle">
          {number}
        </text>
      </svg>
    </button>
  );
}

export function tellColumn(timing: TurnTiming, number: number): string {
  const { tellColumn: tell, tellSent, none, ms } = words.waterfall;
  const total = totalMs(timing);
  const whole = total === null ? none : timing.page ? ms(total) : tellSent(ms(total));
  return tell(number, whole, slowestLine(timing, stagesOf(timing)));
}

// Where a column that is cut off has its gap, from the top.
const CUT_AT = 14;

interface StackProps {
  stages: readonly Stage[];
  total: number;
  topMs: number;
  /** Whether the server told what was waited for. */
  isTold: boolean;
}

function Stack({ stages, total, topMs, isTold }: StackProps) {
  const y = (ms: number) => Math.max(HEAD, yOf(ms, topMs));
  if (!isTold) {
    const height = y(0) - y(total);
    return (
      <>
        <rect class="stage-untold" x="16%" width="68%" y={y(total)} height={height} />
        {total > topMs && <Cut y={HEAD + CUT_AT} />}
      </>
    );
  }
  const knownMs = wordsKnownMs(stages);
  return (
    <>
      {stages
        .filter(({ waitedMs }) => waitedMs > 0)
        .map(({ name, toMs, waitedMs }) => (
          <rect
            key={name}
            class={`stage-${name} piece`}
            x="16%"
            width="68%"
            y={y(toMs)}
            height={y(toMs - waitedMs) - y(toMs)}
          />
        ))}
      {total > topMs && <Cut y={HEAD + CUT_AT} />}
      {knownMs !== null && knownMs <= topMs && <Diamond y={y(knownMs)} />}
    </>
  );
}

/** Says that the column goes on beyond the chart. */
function Cut({ y }: { y: number }) {
  return (
    <svg x="0" y={y} width="100%" height="9" viewBox="0 0 40 9" preserveAspectRatio="none" aria-hidden="true">
      <path class="cut" d="M0 6 L8 2 L16 6 L24 2 L32 6 L40 2" />
    </svg>
  );
}

/** Where the words were known. */
function Diamond({ y }: { y: number }) {
  return (
    <svg x="50%" y={y} width="1" height="1" overflow="visible" aria-hidden="true">
      <path class="diamond" d="M0 -4.5 L4.5 0 L0 4.5 L-4.5 0 Z" />
    </svg>
  );
}
