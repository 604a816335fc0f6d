/** The whole conversation in words and as a table. */

import type { TurnTiming } from "duologue-client";
import { words } from "../../words";
import { type Spread, type Summary, summaryOf, TARGET_VOICE_MS, TARGET_WORDS_MS } from "./figures";
import { Swatch } from "./marks";

/** What one should know first. */
export function Overview({ timings }: { timings: readonly TurnTiming[] }) {
  const { answers, half, mostly, inSentence, ms } = words.waterfall;
  const { total, stages } = summaryOf(timings);
  const longest = stages.reduce<Summary["stages"][number] | null>(
    (most, stage) => (stage.spread.p50 > (most?.spread.p50 ?? 0) ? stage : most),
    null,
  );
  return (
    <div class="timing-overview">
      <h3>{answers(timings.length)}</h3>
      <p>
        {total && timings.length > 1 && half(ms(total.p50), ms(total.p95))}{" "}
        {longest && timings.length > 1 && mostly(inSentence[longest.name], ms(longest.spread.p50))}
      </p>
    </div>
  );
}

export function SummaryTable({ timings }: { timings: readonly TurnTiming[] }) {
  const summary = summaryOf(timings);
  const table = words.waterfall;
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
      <p class="timing-note">{table.quantiles}</p>
    </section>
  );
}

function Totals({ summary }: { summary: Summary }) {
  const { total, wordsKnown, sent, met, ms } = words.waterfall;
  const { totalsMet, wordsMet } = summary;
  const rows: [string, Spread | null, string][] = [
    [total, summary.total, met(ms(TARGET_VOICE_MS), totalsMet, summary.total?.count ?? 0)],
    [wordsKnown, summary.words, met(ms(TARGET_WORDS_MS), wordsMet, summary.words?.count ?? 0)],
    [sent, summary.sent, ""],
  ];
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
