/** The words of both sides. */

import { type Entries, type Entry, split } from "duologue-client";
import { Component } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

// Nearer to the end than this, the reader is following, and new words may scroll the list.
const FOLLOW_PX = 80;

export function Transcript({ entries }: { entries: Entries }) {
  const list = useRef<HTMLOListElement>(null);
  const follows = useRef(true);
  useLayoutEffect(() => {
    if (follows.current) list.current?.scrollTo({ top: list.current.scrollHeight });
  }, [entries]);
  const noteScroll = () => {
    const { scrollTop, clientHeight, scrollHeight } = list.current as HTMLOListElement;
    follows.current = scrollHeight - scrollTop - clientHeight < FOLLOW_PX;
  };
  const visible = entries.filter((entry) => entry.text);
  if (visible.length === 0) return null;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a list that scrolls must be reachable by keyboard.
    <ol class="transcript" aria-label="What was said" ref={list} tabIndex={0} onScroll={noteScroll}>
      {visible.map((entry) => (
        <Line key={entry.id} entry={entry} />
      ))}
    </ol>
  );
}

/** Entries are replaced when they change, so a long talk costs no more to draw than its last line. */
class Line extends Component<{ entry: Entry }> {
  override shouldComponentUpdate(next: { entry: Entry }): boolean {
    return next.entry !== this.props.entry;
  }

  override render({ entry }: { entry: Entry }) {
    const { heard, unheard } = split(entry);
    return (
      <li data-role={entry.role} data-status={entry.status}>
        <span class="speaker">{entry.role === "user" ? "You" : "Duologue"}</span>
        <p>
          {heard}
          {unheard && entry.status === "interrupted" && <Unheard text={unheard} />}
          {unheard && entry.status !== "interrupted" && <span class="ahead">{unheard}</span>}
        </p>
      </li>
    );
  }
}

function Unheard({ text }: { text: string }) {
  return (
    <>
      <span class="aside"> (interrupted, not heard: </span>
      <s>{text}</s>
      <span class="aside">)</span>
    </>
  );
}
