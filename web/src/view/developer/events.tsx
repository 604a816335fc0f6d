/** The protocol's events, the newest at the bottom. */

import type { EventLog, LoggedEvent } from "duologue-client";
import { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { words } from "../../words";
import { save } from "../copy";
import { EventRow } from "./event-row";
import { FilterForm } from "./filter-form";
import { asJsonLines, filtered, NORMAL_FILTER } from "./kinds";

// So many rows are drawn at once: 2,000 take a phone a fifth of a second each time that one more comes.
const PIECE = 300;

export function Events({ log }: { log: EventLog }) {
  const [held, hold] = useState<readonly LoggedEvent[] | null>(null);
  const [filter, setFilter] = useState(NORMAL_FILTER);
  const [most, setMost] = useState(PIECE);
  useLog(log, held === null);
  const events = held ?? log.events;
  const fitting = useMemo(() => filtered(events, filter), [events, filter]);
  const clear = () => {
    log.clear();
    hold(null);
    setMost(PIECE);
  };
  if (log.events.length === 0 && held === null) return <Empty />;
  return (
    <>
      <FilterForm
        filter={filter}
        change={(next) => {
          setFilter(next);
          setMost(PIECE);
        }}
      />
      <Bar
        shown={fitting.length}
        all={events.length}
        held={held}
        log={log}
        hold={() => hold(held ? null : log.events)}
        clear={clear}
      />
      <List events={fitting} most={most} showMore={() => setMost(most + PIECE)} />
    </>
  );
}

/** Renders anew when events come, once a frame at most. */
function useLog(log: EventLog, isFollowed: boolean): void {
  const [, render] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    if (!isFollowed) return;
    let frame = 0;
    const stop = log.watch(() => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        render(undefined as never);
      });
    });
    return () => {
      stop();
      cancelAnimationFrame(frame);
    };
  }, [log, isFollowed]);
}

function Empty() {
  return (
    <div class="developer-empty">
      <p class="developer-title">{words.developer.none}</p>
      <p>{words.developer.noneHint}</p>
    </div>
  );
}

interface BarProps {
  shown: number;
  all: number;
  held: readonly LoggedEvent[] | null;
  log: EventLog;
  hold(): void;
  clear(): void;
}

function Bar({ shown, all, held, log, hold, clear }: BarProps) {
  const { count, paused, pause, resume, download } = words.developer;
  const missed = (log.events.at(-1)?.number ?? 0) - (held?.at(-1)?.number ?? 0);
  const take = () => save("duologue-events.jsonl", "application/x-ndjson", asJsonLines(log.events));
  return (
    <div class="developer-bar">
      <p>{held ? `${count(shown, all)}. ${paused(Math.max(0, missed))}` : count(shown, all)}</p>
      <div>
        <button type="button" aria-pressed={held !== null} onClick={hold}>
          {held ? resume : pause}
        </button>
        <button type="button" onClick={clear}>
          {words.developer.clear}
        </button>
        <button type="button" onClick={take}>
          {download}
        </button>
      </div>
    </div>
  );
}

interface ListProps {
  events: readonly LoggedEvent[];
  most: number;
  showMore(): void;
}

// As far from the end as still counts as there.
const NEAR_PX = 24;

function List({ events, most, showMore }: ListProps) {
  const box = useRef<HTMLDivElement>(null);
  const [isFollowing, follow] = useState(true);
  const [opened, open] = useState<number | null>(null);
  const shown = events.slice(-most);
  const newest = shown.at(-1)?.number;
  useLayoutEffect(() => {
    if (isFollowing && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [newest, shown.length, isFollowing]);
  useLayoutEffect(() => {
    box.current?.querySelector(".developer-whole")?.scrollIntoView({ block: "nearest" });
  }, [opened]);
  const note = () => {
    const { scrollTop, clientHeight, scrollHeight } = box.current as HTMLElement;
    follow(scrollTop + clientHeight >= scrollHeight - NEAR_PX);
  };
  const toggle = (number: number) => {
    open(opened === number ? null : number);
    // Whoever reads one does not want it to run away.
    follow(false);
  };
  const { nothingFits, more, list } = words.developer;
  const older = Math.min(PIECE, events.length - shown.length);
  return (
    <div class="developer-list">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be within reach of the keyboard. */}
      <section class="developer-events" ref={box} onScroll={note} aria-label={list} tabIndex={0}>
        {older > 0 && (
          <button type="button" class="developer-older" onClick={showMore}>
            {more(older)}
          </button>
        )}
        {shown.length === 0 && <p class="developer-note">{nothingFits}</p>}
        <ol>
          {shown.map((logged) => (
            <EventRow key={logged.number} logged={logged} isOpen={logged.number === opened} toggle={toggle} />
          ))}
        </ol>
      </section>
      {!isFollowing && shown.length > 0 && (
        <button type="button" class="developer-newest" onClick={() => follow(true)}>
          {words.developer.newest}
        </button>
      )}
    </div>
  );
}
