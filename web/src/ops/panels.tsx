/** Tables and lists of the operator's page. */

import type { ComponentChildren } from "preact";
import { duration, ms, newcomers, percent, words } from "./numbers";
import type { Admission, Load, Loading, Recent, Seen, TurnTaking } from "./wire";

interface PanelProps {
  title: string;
  note?: string | undefined;
  isWide?: boolean;
  children: ComponentChildren;
}

export function Panel({ title, note, isWide, children }: PanelProps) {
  return (
    <section class={isWide ? "panel wide" : "panel"} aria-label={title}>
      <h2>
        {title}
        {note && <span class="note">{note}</span>}
      </h2>
      {children}
    </section>
  );
}

const TRANSPORTS: Record<Seen["transport"], string> = { webrtc: "WebRTC", websocket: "WebSocket" };

export function Sessions({ sessions }: { sessions: Seen[] }) {
  return (
    <Panel title="Conversations" note={sessions.length > 0 ? "ids end so in the log" : undefined}>
      {sessions.length === 0 ? (
        <p class="empty">Nobody is talking just now.</p>
      ) : (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Id</th>
                <th scope="col">Over</th>
                <th scope="col">Now</th>
                <th scope="col" class="number">
                  Turns
                </th>
                <th scope="col" class="number">
                  For
                </th>
              </tr>
            </thead>
            <tbody>
              {sessions.map(({ id, transport, state, turns, age_s }) => (
                <tr key={id}>
                  <td class="code">{id}</td>
                  <td>{TRANSPORTS[transport]}</td>
                  <td>{state}</td>
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

const STAGES: Record<string, string> = {
  voice_to_voice: "Voice to voice",
  endpointing: "End of turn",
  transcription: "Words known",
  first_token: "First text",
  first_audio: "First sound",
  interruption_stop: "Interruption heard",
  overlap_verdict: "Known what sounds over it",
};

export function Stages({ stages }: { stages: Record<string, Recent> }) {
  const known = Object.entries(stages);
  const most = Math.max(1, ...known.map(([, { p95_ms }]) => p95_ms));
  const turns = stages.voice_to_voice?.count ?? 0;
  return (
    <Panel title="Turns" note={turns > 0 ? `the last ${turns}` : undefined}>
      {known.length === 0 ? (
        <p class="empty">No turn was answered yet.</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th scope="col">Stage</th>
              <th scope="col" class="number">
                p50
              </th>
              <th scope="col" class="number">
                p95
              </th>
              <td class="range" />
            </tr>
          </thead>
          <tbody>
            {known.map(([stage, { p50_ms, p95_ms }]) => (
              <tr key={stage}>
                <td>{STAGES[stage] ?? words(stage)}</td>
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
  const verdicts = Object.entries(turns.verdicts);
  const share = kept + dropped > 0 ? `${percent(kept / (kept + dropped))} of ${kept + dropped}` : "none yet";
  return (
    <Panel title="Turn-taking" note="since the start">
      <Facts
        facts={[
          ["Answers begun in a pause and kept", share],
          ["Engine time in those that were dropped", ms(1000 * dropped_s)],
          [
            "Sounds over an answer",
            verdicts.length === 0
              ? "none"
              : verdicts.map(([verdict, n]) => `${n} ${words(verdict)}`).join(", "),
          ],
        ]}
      />
    </Panel>
  );
}

export function AdmissionPanel({ admission, load }: { admission: Admission; load: Load }) {
  const { taken, called, capacity, most, waiting, most_waiting, closed_by } = admission;
  const refused = Object.entries(admission.refused);
  return (
    <Panel title="Admission">
      <Facts
        facts={[
          ["Newcomers", <span class={closed_by ? "warning" : undefined}>{newcomers(admission)}</span>],
          ["Places taken", called > 0 ? `${taken}, and ${called} kept for who comes` : taken],
          ["Predicted to fit", capacity],
          ["Allowed by the settings", most],
          ["In line", `${waiting} of ${most_waiting}`],
          ["Reaction after a turn's end, slowest tenth, predicted", ms(load.p90_now_ms)],
          ["The same with one more", <Predicted load={load} />],
          ["Since the start", `${admission.admitted} admitted, ${admission.queued} queued`],
          [
            "Refused",
            refused.length === 0 ? "none" : refused.map(([code, n]) => `${n} ${words(code)}`).join(", "),
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
      {ms(p90_next_ms)}, target {ms(target_ms)}
    </span>
  );
}

const LEVELS = 3;

export function PressurePanel({ load, shed }: { load: Load; shed: string[] }) {
  const { pressure, pressure_for_s, pressure_why } = load;
  const facts: [string, ComponentChildren][] = [
    ["Left undone", shed.length > 0 ? <span class="warning">{shed.join(", ")}</span> : "nothing"],
    ["Event loop busy", percent(load.loop_busy)],
    ["Threads busy, of the busiest device", percent(load.threads_busy)],
    ["Work overdue", ms(load.overdue_ms)],
  ];
  if (pressure_for_s > 0) facts.unshift(["At this level for", duration(pressure_for_s)]);
  if (pressure_why) facts.unshift(["Why", pressure_why]);
  return (
    <Panel title="Pressure" note={`level ${pressure} of ${LEVELS}`}>
      <div class="levels" aria-hidden="true">
        {Array.from({ length: LEVELS }, (_, i) => (
          <span key={i} class={i < pressure ? "on" : undefined} />
        ))}
      </div>
      <Facts facts={facts} />
    </Panel>
  );
}

const STATES: Record<Loading["state"], string> = {
  loading: "loading",
  ready: "ready",
  failed: "failed",
  "stand-in": "away, another stands in",
};

export function StartUp({ engines }: { engines: Loading[] }) {
  if (engines.length === 0) return null;
  return (
    <Panel title="Start-up" isWide>
      <ul class="start">
        {engines.map(({ engine, stages, state, seconds, reason }) => (
          <li key={engine} class={state}>
            <span class="who">
              <b>{stages.join(", ")}</b> {engine}
            </span>
            <span class={state === "ready" || state === "loading" ? undefined : "warning"}>
              {STATES[state]}
              {state === "loading"
                ? `, ${duration(seconds)} so far`
                : state === "ready"
                  ? ` in ${seconds.toFixed(1)} s`
                  : ""}
            </span>
            {reason && <span class="hint">{reason}</span>}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
