/** The words of both sides. */

import type { ConversationState, Entry, Talk } from "duologue-client";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { words } from "../words";
import { Icon } from "./icons";
import { Passage, passagesOf } from "./passage";

// Nearer to the end than this, the reader is following, and new words may scroll the list.
const FOLLOW_PX = 80;

interface TranscriptProps {
  talk: Talk;
  state: ConversationState;
  hasTimes: boolean;
}

export function Transcript({ talk, state, hasTimes }: TranscriptProps) {
  const { entries, knownFrom } = state;
  const list = useRef<HTMLOListElement>(null);
  const { isFollowing, follow, noteScroll } = useFollowing(list, entries);
  const [chosen, setChosen] = useState<string | null>(null);
  const passages = passagesOf(entries.filter((entry) => entry.text || entry.tool));
  const walk = useCallback((event: KeyboardEvent) => choose(event, list.current, setChosen), []);
  return (
    <div class={hasTimes ? "spoken timed" : "spoken"}>
      <ol
        class="transcript"
        aria-label={words.transcript.label}
        aria-description={words.transcript.usage}
        ref={list}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a list that scrolls must be reachable by keyboard.
        tabIndex={0}
        onScroll={noteScroll}
        onKeyDown={walk}
        onPointerOver={(event) => setChosen(idAt(event.target) ?? chosen)}
        onFocusIn={(event) => setChosen(idAt(event.target) ?? chosen)}
      >
        {passages.map((passage, i) => (
          <Passage
            key={i}
            entries={passage}
            talk={talk}
            chosen={passage.some(({ id }) => id === chosen) ? chosen : null}
            knownFrom={passage.some(({ id }) => id === knownFrom) ? knownFrom : null}
            isFar={i < passages.length - 2}
          />
        ))}
      </ol>
      {!isFollowing && (
        <button type="button" class="latest" onClick={follow}>
          <Icon name="down" />
          {words.transcript.latest}
        </button>
      )}
      <p class="aside" aria-live="polite">
        {writtenAnswer(entries.at(-1))}
      </p>
    </div>
  );
}

/** An answer without sound is read out by a screen reader, once it is whole. */
function writtenAnswer(last: Entry | undefined): string {
  return last?.role === "assistant" && last.status === "final" && !last.isSpoken ? last.text : "";
}

function useFollowing(list: { current: HTMLOListElement | null }, entries: readonly Entry[]) {
  const [isFollowing, setFollowing] = useState(true);
  const follows = useRef(true);
  const follow = () => list.current?.scrollTo({ top: list.current.scrollHeight });
  useLayoutEffect(() => {
    if (follows.current) follow();
  }, [entries]);
  useEffect(() => {
    // A phone's keyboard, or a notice, takes room from below.
    const sizes = new ResizeObserver(() => follows.current && follow());
    if (list.current) sizes.observe(list.current);
    return () => sizes.disconnect();
  }, [list]);
  const noteScroll = () => {
    const { scrollTop, clientHeight, scrollHeight } = list.current as HTMLOListElement;
    follows.current = scrollHeight - scrollTop - clientHeight < FOLLOW_PX;
    setFollowing(follows.current);
  };
  return { isFollowing, follow, noteScroll };
}

function idAt(target: EventTarget | null): string | null {
  const line = target instanceof Element ? target.closest<HTMLElement>("li[data-id]") : null;
  return line?.dataset.id ?? null;
}

/** Up and down go from entry to entry; the list itself scrolls by all other keys. */
function choose(event: KeyboardEvent, list: HTMLElement | null, set: (id: string | null) => void): void {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!step || !list || event.target instanceof HTMLButtonElement) return;
  const lines = [...list.querySelectorAll<HTMLElement>("li[data-id]")];
  const now = lines.indexOf(document.activeElement as HTMLElement);
  const next = lines[now < 0 ? lines.length - 1 : Math.max(0, Math.min(lines.length - 1, now + step))];
  if (!next) return;
  event.preventDefault();
  set(next.dataset.id ?? null);
  next.focus();
}
