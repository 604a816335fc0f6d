/** One event: a line, and on demand all of it. */

import type { LoggedEvent } from "duologue-client";
import { words } from "../../words";
import { CopyButton } from "./copy-button";
import { clockOf, gistOf, groupOf } from "./kinds";
import { memo } from "./memo";

interface EventRowProps {
  logged: LoggedEvent;
  isOpen: boolean;
  toggle(number: number): void;
}

export const EventRow = memo(
  function EventRow({ logged, isOpen, toggle }: EventRowProps) {
    const { number, atMs, from, type, count = 1 } = logged;
    const { sent, received, times } = words.developer;
    return (
      <li data-from={from} data-group={groupOf(type)}>
        <button type="button" class="developer-event" aria-expanded={isOpen} onClick={() => toggle(number)}>
          <Way from={from} />
          <span class="aside">{from === "client" ? sent : received} </span>
          <time>{clockOf(atMs)}</time>
          <b>{breakable(type)}</b>
          {count > 1 && <span class="developer-times">{times(count)}</span>}
          <span class="developer-gist">{gistOf(logged)}</span>
        </button>
        {isOpen && <Whole event={logged.event} />}
      </li>
    );
  },
  (before, after) => before.logged === after.logged && before.isOpen === after.isOpen,
);

/** A long name breaks after its dots and dashes only. */
function breakable(type: string) {
  return type.split(/(?<=[._])/).map((part, i) => [i > 0 && <wbr />, part]);
}

/** Up: sent; down: received. */
function Way({ from }: { from: LoggedEvent["from"] }) {
  return (
    <svg class="developer-way" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
      <path d={from === "client" ? "M6 10V2M2.5 5.5L6 2l3.5 3.5" : "M6 2v8M2.5 6.5L6 10l3.5-3.5"} />
    </svg>
  );
}

function Whole({ event }: { event: object }) {
  const text = JSON.stringify(event, null, 2);
  return (
    <div class="developer-whole">
      <CopyButton text={text} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be within reach of the keyboard. */}
      <pre tabIndex={0}>{text}</pre>
    </div>
  );
}
