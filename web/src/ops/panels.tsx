/** Tables and lists of the operator's page. */

import type { ComponentChildren } from "preact";
import { words } from "../words";
import { duration, ms, newcomers, percent, spelt } from "./numbers";
import type { Admission, Load, Loading, Recent, Seen, TurnTaking } from "./wire";

interface PanelProps {
  title: string;
  note?: string | undefined;
  isWide?: boolean;
  isTall?: boolean;
  children: ComponentChildren;
}

export function Panel({ title, note, isWide, isTall, children }: PanelProps) {
  return (
    <section
      class={["panel", isWide && "wide", isTall && "tall"].filter(Boolean).join(" ")}
      aria-label={title}
    >
      <h2>
        {title}
        {note && <span class="note">{note}</span>}
      </h2>
      {children}
    </section>
  );
}

export function Sessions({ sessions }: { sessions: Seen[] }) {
  const table = words.ops;
  return (
    <Panel title={table.conversations} note={sessions.length > 0 ? table.ids : undefined}>
      {sessions.length === 0 ? (
        <p class="empty">{table.nobody}</p>
      ) : (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">{table.id}</th>
                <th scope="col">{table.over}</th>
                <th scope="col">{table.doing}</th>
                <th scope="col" class="number">
                  {table.turns}
                </th>
                <th scope="col" class="number">
                  {table.lasted}
                </th>
              </tr>
            </thead>
            <tbody>
              {sessions.map(({ id, transport, state, turns, age_s }) => (
                <tr key={id}>
                  <td class="code">{id}</td>
                  <td>{table.transports[transport]}</td>
                  <td>{table.doings[state]}</td>
                  <td class="number">{turns}</td>
                  <td class="number">{duration(age_s)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

export function Stages({ stages }: { stages: Record<string, Recent> }) {
  const table = words.ops;
  const names: Record<string, string> = table.stages;
  const known = Object.entries(stages);
  const most = Math.max(1, ...known.map(([, { p95_ms }]) => p95_ms));
  const turns = stages.voice_to_voice?.count ?? 0;
  return (
    <Panel title={table.turns} note={turns > 0 ? table.last(turns) : undefined}>
      {known.length === 0 ? (
        <p class="empty">{table.noTurn}</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th scope="col">{table.stage}</th>
              <th scope="col" class="number">
                {table.p50}
              </th>
              <th scope="col" class="number">
                {table.p95}
              </th>
              <td class="range" />
            </tr>
          </thead>
          <tbody>
            {known.map(([stage, { p50_ms, p95_ms }]) => (
              <tr key={stage}>
                <td>{names[stage] ?? spelt(stage)}</td>
                <td class="number">{ms(p50_ms)}</td>
                <td class="number">{ms(p95_ms)}</td>
                <td class="range">
                  <Range from={p50_ms / most} to={p95_ms / most} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}

/** Solid up to the median, faint from there. */
function Range({ from, to }: { from: number; to: number }) {
  return (
    <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <rect class="faint" width={100 * to} height="8" />
      <rect width={100 * from} height="8" />
    </svg>
  );
}

export function Facts({ facts }: { facts: [string, ComponentChildren][] }) {
  return (
    <dl>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function TurnTakingPanel({ turns }: { turns: TurnTaking }) {
  const { kept, dropped, dropped_s } = turns;
  const table = words.ops;
  const verdicts = Object.entries(turns.verdicts);
  const share =
    kept + dropped > 0 ? table.share(percent(kept / (kept + dropped)), kept + dropped) : table.noneYet;
  return (
    <Panel title={table.turnTaking} note={table.sinceStart}>
      <Facts
        facts={[
          [table.begunKept, share],
          [table.begunDropped, ms(1000 * dropped_s)],
          [
            table.sounds,
            verdicts.length === 0
              ? table.none
              : verdicts.map(([verdict, n]) => `${n} ${spelt(verdict)}`).join(", "),
          ],
        ]}
      />
    </Panel>
  );
}

export function AdmissionPanel({ admission, load }: { admission: Admission; load: Load }) {
  const { taken, called, capacity, most, waiting, most_waiting, closed_by } = admission;
  const refused = Object.entries(admission.refused);
  const table = words.ops;
  return (
    <Panel title={table.admission} isTall>
      <Facts
        facts={[
          [table.newcomers, <span class={closed_by ? "warning" : undefined}>{newcomers(admission)}</span>],
          [table.taken, called > 0 ? table.takenAndCalled(taken, called) : taken],
          [table.fit, capacity],
          [table.allowed, most],
          [table.inLine, `${waiting} ${table.of(most_waiting)}`],
          [table.reaction, ms(load.p90_now_ms)],
          [table.reactionNext, <Predicted load={load} />],
          [table.sinceStartHead, table.admitted(admission.admitted, admission.queued)],
          [
            table.refused,
            refused.length === 0 ? table.none : refused.map(([code, n]) => `${n} ${spelt(code)}`).join(", "),
          ],
        ]}
      />
    </Panel>
  );
}

function Predicted({ load: { p90_next_ms, target_ms } }: { load: Load }) {
  if (p90_next_ms === null || target_ms === 0) return <>{ms(p90_next_ms)}</>;
  return (
    <span class={p90_next_ms > target_ms ? "warning" : undefined}>
      {words.ops.withTarget(ms(p90_next_ms), ms(target_ms))}
    </span>
  );
}

const LEVELS = 3;

export function PressurePanel({ load, shed }: { load: Load; shed: string[] }) {
  const { pressure, pressure_for_s, pressure_why } = load;
  const table = words.ops;
  const facts: [string, ComponentChildren][] = [
    [table.undone, shed.length > 0 ? <span class="warning">{shed.join(", ")}</span> : table.nothing],
    [table.loopBusy, percent(load.loop_busy)],
    [table.threadsBusy, percent(load.threads_busy)],
    [table.overdue, ms(load.overdue_ms)],
  ];
  if (pressure_for_s > 0) facts.unshift([table.levelFor, duration(pressure_for_s)]);
  if (pressure_why) facts.unshift([table.why, pressure_why]);
  return (
    <Panel title={table.pressure} note={table.level(pressure, LEVELS)}>
      <div class="levels" aria-hidden="true">
        {Array.from({ length: LEVELS }, (_, i) => (
          <span key={i} class={i < pressure ? "on" : undefined} />
        ))}
      </div>
      <Facts facts={facts} />
    </Panel>
  );
}

export function StartUp({ engines }: { engines: Loading[] }) {
  if (engines.length === 0) return null;
  return (
    <Panel title={words.ops.startUp} isWide>
      <ul class="start">
        {engines.map(({ engine, stages, state, seconds, reason }) => (
          <li key={engine} class={state}>
            <span class="who">
              <b>{stages.join(", ")}</b> {engine}
            </span>
            <span class={state === "ready" || state === "loading" ? undefined : "warning"}>
              {words.ops.loading[state](state === "loading" ? duration(seconds) : seconds.toFixed(1))}
            </span>
            {reason && <span class="hint">{reason}</span>}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
