/** The whole conversation in words and as a table. */

import type { TurnTiming } from "duologue-client";
import { words } from "../../words";
import {
  type Source,
  type Spread,
  type Summary,
  summaryOf,
  TARGET_VOICE_MS,
  TARGET_WORDS_MS,
} from "./figures";
import { Swatch } from "./marks";

/** What one should know first. */
export function Overview({ timings }: { timings: readonly TurnTiming[] }) {
  return (
    <div class="timing-overview">
      <h3>{words.waterfall.answers(timings.length)}</h3>
      {timings.length > 1 && <p>{overview(timings)}</p>}
    </div>
  );
}

export function overview(timings: readonly TurnTiming[]): string {
  const { usually, all, most, once, mostly, inSentence, ms } = words.waterfall;
  const { source, total, stages } = summaryOf(timings);
  if (!total) return "";
  const { p50, p95, count } = total;
  const longest = stages.reduce<Summary["stages"][number] | null>(
    (before, stage) => (stage.share > (before?.share ?? 0) ? stage : before),
    null,
  );
  const times =
    count > 1 ? usually[source](ms(p50), ms(p95), count < 20 ? all : most) : once[source](ms(p50));
  const part = longest ? mostly(inSentence[longest.name], `${Math.round(100 * longest.share)}\u00a0%`) : "";
  return [basisOf(count, timings.length, source), times, part].filter(Boolean).join(" ");
}

/** Nothing where all answers are counted. */
function basisOf(count: number, all: number, source: Source): string {
  return count < all ? words.waterfall.basis[source](count, all) : "";
}

export function SummaryTable({ timings }: { timings: readonly TurnTiming[] }) {
  const summary = summaryOf(timings);
  const table = words.waterfall;
  // Nothing was said aloud yet.
  if (!summary.total) return null;
  return (
    <section aria-label={table.table}>
      <h3>{table.table}</h3>
      <table class="timing-table">
        <thead>
          <tr>
            <th scope="col">{table.stage}</th>
            <th scope="col">{table.p50}</th>
            <th scope="col">{table.p95}</th>
          </tr>
        </thead>
        <tbody>
          {summary.stages.map(({ name, spread }) => (
            <tr key={name}>
              <th scope="row">
                <Swatch name={name} />
                {table.stages[name]}
              </th>
              <Figures spread={spread} />
            </tr>
          ))}
        </tbody>
        <tbody>
          <Totals summary={summary} />
        </tbody>
      </table>
      <p class="timing-note">
        {`${basisOf(summary.total.count, timings.length, summary.source)} ${table.quantiles}`.trim()}
      </p>
    </section>
  );
}

function Totals({ summary }: { summary: Summary }) {
  const { total, wordsKnown, sent, met, answers, ms } = words.waterfall;
  const { source, totalsMet, wordsMet } = summary;
  const target = met(ms(TARGET_VOICE_MS), totalsMet, summary.total?.count ?? 0);
  const rows: [string, Spread | null, string][] = [
    [wordsKnown, summary.words, met(ms(TARGET_WORDS_MS), wordsMet, summary.words?.count ?? 0)],
    [sent, summary.sent, source === "server" ? target : answers(summary.sent?.count ?? 0)],
  ];
  if (source === "page") rows.unshift([total, summary.total, target]);
  return (
    <>
      {rows.map(
        ([name, spread, target]) =>
          spread && (
            <tr key={name}>
              <th scope="row">
                {name}
                {target && <small>{target}</small>}
              </th>
              <Figures spread={spread} />
            </tr>
          ),
      )}
    </>
  );
}

function Figures({ spread: { p50, p95 } }: { spread: Spread }) {
  return (
    <>
      <td>{words.waterfall.ms(p50)}</td>
      <td>{words.waterfall.ms(p95)}</td>
    </>
  );
}
