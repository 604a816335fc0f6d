/** What each engine does. */

import { words } from "../words";
import { bins, ms } from "./numbers";
import { Panel } from "./panels";
import type { EngineStats, OpsState } from "./wire";

interface EnginesProps {
  engines: OpsState["engines"];
  unhealthy: Record<string, string>;
}

const COLUMNS = words.ops.columns;
const FAILED = COLUMNS.length - 1;

export function Engines({ engines, unhealthy }: EnginesProps) {
  return (
    <Panel title={words.ops.engines} isWide>
      <table class="engines">
        <thead>
          <tr>
            <th scope="col">{words.ops.engine}</th>
            {COLUMNS.map((name) => (
              <th key={name} scope="col" class="number">
                {name}
              </th>
            ))}
            <th scope="col">{words.ops.batches}</th>
          </tr>
        </thead>
        <tbody>
          {engines.map(({ stages, stats }) => (
            <Row
              key={stats.engine}
              stages={stages}
              stats={stats}
              complaint={stages.map((stage) => unhealthy[stage]).find(Boolean)}
            />
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

interface RowProps {
  stages: string[];
  stats: EngineStats;
  complaint: string | undefined;
}

function Row({ stages, stats, complaint }: RowProps) {
  const cells = [
    ms(stats.step_p50_ms),
    ms(stats.step_p95_ms),
    ms(stats.queue_p95_ms),
    stats.waiting,
    stats.running,
    stats.steps.toLocaleString("en"),
    stats.cancelled + stats.expired,
    stats.failed,
  ];
  return (
    <tr>
      <th scope="row">
        <b>{stages.join(", ")}</b>
        <span class="what">{stats.engine}</span>
        <span class="where">{whereOf(stats)}</span>
        {complaint && <span class="warning">{complaint}</span>}
      </th>
      {cells.map((cell, i) => (
        <td key={COLUMNS[i]} class="number" data-name={COLUMNS[i]}>
          {i === FAILED && cell !== 0 ? <span class="warning">{cell}</span> : cell}
        </td>
      ))}
      <td class="batches" data-name={words.ops.batches}>
        <Batches batches={stats.batches} />
      </td>
    </tr>
  );
}

function whereOf({ device, threads }: EngineStats): string {
  if (!device) return words.ops.outside;
  return words.ops.where(device, threads);
}

const BAR = 24;

function Batches({ batches }: { batches: Record<string, number> }) {
  const bars = bins(batches);
  if (bars.length === 0) return <>–</>;
  const text = bars.map(({ label, count }) => `${label}: ${count}`).join(", ");
  return (
    <ol class="histogram" title={words.ops.stepsBySize(text)}>
      {bars.map(({ label, count, share }) => (
        <li key={label}>
          <svg viewBox={`0 0 10 ${BAR}`} preserveAspectRatio="none" aria-hidden="true">
            <rect width="10" y={BAR - heightOf(count, share)} height={heightOf(count, share)} />
          </svg>
          {label}
          <span class="aside">{words.ops.steps(count)}</span>
        </li>
      ))}
    </ol>
  );
}

/** What happened once is seen, too. */
function heightOf(count: number, share: number): number {
  return count > 0 ? Math.max(2, share * BAR) : 0;
}
