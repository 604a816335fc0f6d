/** How the talk goes: what carries it, whether it is kept, and how fast the last answer was. */

import type { ConversationState, Offer } from "duologue-client";
import { words } from "../words";
import { keepingLine, reasonLine } from "./words";

interface StatusProps {
  state: ConversationState;
  offer: Offer | null;
  openTiming(): void;
}

export function Status({ state, offer, openTiming }: StatusProps) {
  const keeping = keepingLine(state, offer);
  const { link, transport, answeredMs } = state;
  return (
    <div class="measures">
      {link === "open" && transport && (
        <Carrier name={words.transports[transport]} reason={reasonLine(state)} />
      )}
      {keeping && (
        <p title={keeping.full}>
          <span class="full">{keeping.full}</span>
          <span class="short">{keeping.short}</span>
        </p>
      )}
      {answeredMs !== null && (
        <button type="button" class="link" title={words.status.answeredHint} onClick={openTiming}>
          {words.status.answered((answeredMs / 1000).toFixed(1))}
        </button>
      )}
    </div>
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
