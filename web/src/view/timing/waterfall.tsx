/** One answer: a row for each stage on one axis of ms. */

import { type Stage, type StageName, stagesOf, type TurnTiming, totalMs } from "duologue-client";
import { useState } from "preact/hooks";
import { words } from "../../words";
import { isTyped, slowestOf, ticksOf } from "./figures";
import { StageBar, SumBar, Swatch, TargetLines } from "./marks";
import "./waterfall.css";

interface WaterfallProps {
  timing: TurnTiming;
  said: string;
  /** Where the axis ends, unless the answer took longer. */
  topMs: number;
}

export function Waterfall({ timing, said, topMs }: WaterfallProps) {
  const stages = stagesOf(timing);
  const total = totalMs(timing);
  const table = words.waterfall;
  return (
    <>
      <p class="timing-said">{said ? table.said(said) : table.unsaid}</p>
      <p class="timing-slowest">{slowestLine(timing, stages)}</p>
      {total === null && <p class="timing-note">{table.unmeasuredHint}</p>}
      {total !== null && timing.server && (
        <StageTable timing={timing} stages={stages} total={total} topMs={Math.max(topMs, 1.04 * total)} />
      )}
      {timing.dropped > 0 && (
        <p class="timing-note">{table.dropped(timing.dropped, table.ms(Math.round(timing.droppedMs)))}</p>
      )}
    </>
  );
}

export function slowestLine(timing: TurnTiming, stages: readonly Stage[]): string {
  const { slowest, atOnce, unmeasured, untold, typed, inSentence, ms } = words.waterfall;
  const total = totalMs(timing);
  if (total === null) return unmeasured;
  if (!timing.server) return isTyped(timing) ? typed : untold;
  const most = slowestOf(stages);
  return most ? slowest(inSentence[most.name], most.waitedMs.toLocaleString("en"), ms(total)) : atOnce;
}

interface StageTableProps {
  timing: TurnTiming;
  stages: readonly Stage[];
  total: number;
  topMs: number;
}

function StageTable({ timing, stages, total, topMs }: StageTableProps) {
  const [pinned, pin] = useState<StageName | null>(null);
  const [pointed, point] = useState<StageName | null>(null);
  const table = words.waterfall;
  const told = stages.find(({ name }) => name === (pointed ?? pinned));
  const slowest = slowestOf(stages);
  return (
    <>
      <table class="waterfall" onPointerLeave={() => point(null)}>
        <thead>
          <tr>
            <th scope="col">
              <span class="aside">{table.stage}</span>
            </th>
            <td class="waterfall-bar" aria-hidden="true">
              <Axis topMs={topMs} />
            </td>
            <th scope="col" class="waterfall-ms">
              {table.waited}
            </th>
          </tr>
        </thead>
        <tbody>
          {stages.map((stage) => (
            <Row
              key={stage.name}
              stage={stage}
              topMs={topMs}
              isSlowest={stage === slowest}
              isTold={stage === told}
              tell={() => pin(stage.name)}
              point={() => point(stage.name)}
            />
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">{table.whole}</th>
            <td class="waterfall-bar" aria-hidden="true">
              <svg width="100%" height="28" aria-hidden="true">
                <TargetLines topMs={topMs} hasWords={false} />
                <SumBar stages={stages} topMs={topMs} />
              </svg>
            </td>
            <td class="waterfall-ms">
              <b>{table.ms(total)}</b>
            </td>
          </tr>
        </tfoot>
      </table>
      <p class="timing-sum">
        {sumLine(stages, table.ms(total))} <span>{timing.page ? table.untilHeard : table.untilSent}</span>
      </p>
      <p class="timing-told">{told ? tellStage(told) : table.hint}</p>
    </>
  );
}

/** "512 + 28 + 50 = 590 ms" */
export function sumLine(stages: readonly Stage[], total: string): string {
  const parts = stages
    .filter(({ waitedMs }) => waitedMs > 0)
    .map(({ waitedMs }) => waitedMs.toLocaleString("en"));
  return `${parts.join(" + ") || "0"} = ${total}`;
}

export function tellStage({ name, fromMs, toMs, waitedMs }: Stage): string {
  const { stages, meanings, ms, tellStage, tellWaited, tellAhead, tellHalfAhead } = words.waterfall;
  const aheadMs = toMs - fromMs - waitedMs;
  const [from, to] = [ms(fromMs), ms(toMs)];
  const times =
    aheadMs === 0
      ? tellWaited(from, to, ms(waitedMs))
      : waitedMs === 0
        ? tellAhead(from, to)
        : tellHalfAhead(from, to, ms(aheadMs), ms(waitedMs));
  return `${tellStage(stages[name], meanings[name])} ${times}`;
}

interface RowProps {
  stage: Stage;
  topMs: number;
  isSlowest: boolean;
  isTold: boolean;
  tell(): void;
  point(): void;
}

function Row({ stage, topMs, isSlowest, isTold, tell, point }: RowProps) {
  const { name, fromMs, toMs, waitedMs } = stage;
  const table = words.waterfall;
  const aheadMs = toMs - fromMs - waitedMs;
  return (
    <tr class={`${isSlowest ? "slowest" : ""} ${isTold ? "told" : ""}`} onPointerEnter={point}>
      <th scope="row">
        <button type="button" aria-pressed={isTold} onClick={tell} onFocus={tell}>
          <Swatch name={name} isHatched={stage.isSpeculative} />
          {table.stages[name]}
        </button>
      </th>
      <td class="waterfall-bar" aria-hidden="true" onClick={tell}>
        <svg width="100%" height="34" aria-hidden="true">
          <TargetLines topMs={topMs} hasWords={name === "transcription"} />
          <StageBar stage={stage} topMs={topMs} />
        </svg>
      </td>
      <td class="waterfall-ms">
        {table.ms(waitedMs)}
        {aheadMs > 0 && <small>{table.ahead(table.ms(aheadMs))}</small>}
      </td>
    </tr>
  );
}

const MOST_TICKS = 3;

function Axis({ topMs }: { topMs: number }) {
  const ticks = ticksOf(topMs, MOST_TICKS);
  return (
    <svg width="100%" height="22" aria-hidden="true">
      {ticks.map((ms) => (
        <g key={ms}>
          <text class="tick" x={`${(100 * ms) / topMs}%`} y="12" text-anchor={anchorOf(ms, topMs)}>
            {ms === 0 ? words.waterfall.ms(0) : ms.toLocaleString("en")}
          </text>
          <line class="tick" x1={`${(100 * ms) / topMs}%`} x2={`${(100 * ms) / topMs}%`} y1="16" y2="22" />
        </g>
      ))}
    </svg>
  );
}

function anchorOf(ms: number, topMs: number): "start" | "middle" | "end" {
  return ms === 0 ? "start" : ms > 0.93 * topMs ? "end" : "middle";
}
