/** How the talk goes: what carries it, and how fast the last answer was. */

import type { ConversationState } from "duologue-client";
import { reasonLine, TRANSPORTS } from "./words";

export function Status({ state }: { state: ConversationState }) {
  return (
    <div class="measures">
      {state.answeredMs !== null && <Timing ms={state.answeredMs} />}
      {state.link === "open" && state.transport && (
        <Carrier name={TRANSPORTS[state.transport]} reason={reasonLine(state)} />
      )}
    </div>
  );
}

function Timing({ ms }: { ms: number }) {
  const seconds = (ms / 1000).toFixed(1);
  return (
    <p title="From your last sound to the first of the answer, as measured on this page">
      Answered in {seconds} s
    </p>
  );
}

function Carrier({ name, reason }: { name: string; reason: string | null }) {
  if (!reason) return <p class="carrier">{name}</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the reason must be within reach of keyboard and touch.
    <p class="carrier explained" tabIndex={0}>
      {name}
      <span class="reason">
        <span class="aside">: </span>
        {reason}
      </span>
    </p>
  );
}
