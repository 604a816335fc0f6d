/** The list by days. Arrow keys go from one conversation to the next. */

import { type Kept, type KeptConversations, phaseOf, type Talk } from "duologue-client";
import { useEffect, useRef, useState } from "preact/hooks";
import { words } from "../../words";
import { leaveQuestion } from "../words";
import { byDay } from "./days";
import { neighbour, troubleOf } from "./listing";
import { locale } from "./reader";
import { Row } from "./row";
import type { ListingControl } from "./use-listing";

interface ListProps {
  talk: Talk;
  kept: KeptConversations;
  control: ListingControl;
  close(): void;
  /** Where the focus goes when no row is left. */
  leave(): void;
}

const { conversations } = words;
const NAMES = { today: conversations.today, yesterday: conversations.yesterday, locale: locale };

export function List({ talk, kept, control, close, leave }: ListProps) {
  const box = useRef<HTMLDivElement>(null);
  const [expanded, setExpanded] = useState<string | null>(talk.state.conversationId);
  const focus = useFocus(box, leave);
  const { list, query, isLoading } = control.listing;
  const remove = async (each: Kept) => {
    if (each.id === talk.state.conversationId) {
      if (isUnderWay(talk)) talk.end();
      talk.clear();
    }
    await kept.remove(each.id).catch((error) => {
      // What is gone already need not be deleted.
      if (troubleOf(error).kind !== "gone") throw error;
    });
    focus(neighbour(list, each.id));
    control.removed(each.id);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the keys go from one button to another, all of which Tab reaches too.
    <div class="conversations-list" ref={box} aria-busy={isLoading} onKeyDown={step}>
      {byDay(list, Date.now(), NAMES).map(({ label, conversations: of }) => (
        <section key={label} aria-label={label}>
          <h3>{label}</h3>
          <ul>
            {of.map((each) => (
              <Row
                key={each.id}
                each={each}
                query={query}
                isShown={each.id === talk.state.conversationId}
                isUnderWay={isUnderWay(talk)}
                question={leaveQuestion(talk.state)}
                isExpanded={each.id === expanded}
                expand={(isOpen) => setExpanded(isOpen ? each.id : null)}
                show={() => show(talk, each.id, close)}
                resume={() => resume(talk, each.id, close)}
                rename={async (title) => control.renamed(await kept.rename(each.id, title))}
                remove={() => remove(each)}
              />
            ))}
          </ul>
        </section>
      ))}
    </div>
  );
}

function isUnderWay({ state }: Talk): boolean {
  const phase = phaseOf(state);
  return phase !== "idle" && phase !== "ended" && phase !== "error";
}

async function show(talk: Talk, id: string, close: () => void): Promise<void> {
  if (id !== talk.state.conversationId) {
    if (isUnderWay(talk)) talk.end();
    await talk.show(id);
  }
  closeSheet(close);
}

/** Its words first, so that a talk which cannot be made has them all the same. */
async function resume(talk: Talk, id: string, close: () => void): Promise<void> {
  if (id !== talk.state.conversationId) {
    if (isUnderWay(talk)) talk.end();
    await talk.show(id);
  }
  talk.start({ conversationId: id });
  closeSheet(close);
}

/** Where the panel lies over the talk, it makes way for it. */
function closeSheet(close: () => void): void {
  if (!matchMedia("(min-width: 64rem)").matches) close();
}

function step(event: KeyboardEvent & { currentTarget: HTMLElement }): void {
  const rows = [...event.currentTarget.querySelectorAll<HTMLElement>(".row-main")];
  const at = rows.indexOf(event.target as HTMLElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  rows[to]?.focus();
}

/** Gives the focus to a row once it is drawn. */
function useFocus(box: { current: HTMLElement | null }, leave: () => void): (id: string | null) => void {
  const [wanted, want] = useState<{ id: string | null } | null>(null);
  useEffect(() => {
    if (!wanted) return;
    const row = wanted.id && box.current?.querySelector<HTMLElement>(`#${CSS.escape(`row-${wanted.id}`)}`);
    if (row) row.focus();
    else leave();
    want(null);
  }, [wanted, box, leave]);
  return (id) => want({ id });
}
