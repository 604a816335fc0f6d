/** One entry of the conversation. */

import { type Entry, split, type Talk } from "duologue-client";
import { Component, Fragment } from "preact";
import { useState } from "preact/hooks";
import { words } from "../words";
import { copy } from "./copy";
import { Icon } from "./icons";
import { useSound } from "./sound";
import { ToolCard } from "./tool-card";

interface EntryProps {
  entry: Entry;
  talk: Talk;
  /** Under the pointer or the focus: what can be done with it is shown. */
  isChosen: boolean;
  /** The first that the assistant still knows. */
  isKnownFrom: boolean;
  /** Far from the end: drawn only when it is scrolled into sight. */
  isFar: boolean;
}

/** Entries are replaced when they change, so a long talk costs no more to draw than its last line. */
export class EntryLine extends Component<EntryProps> {
  override shouldComponentUpdate(next: EntryProps): boolean {
    const { entry, isChosen, isKnownFrom, isFar } = this.props;
    return (
      next.entry !== entry ||
      next.isChosen !== isChosen ||
      next.isKnownFrom !== isKnownFrom ||
      next.isFar !== isFar
    );
  }

  override render({ entry, talk, isChosen, isKnownFrom, isFar }: EntryProps) {
    const { id, role, status, tool } = entry;
    return (
      <Fragment>
        {isKnownFrom && <li class="horizon">{words.transcript.unknownAbove}</li>}
        <li class={isFar ? "far" : ""} data-id={id} data-role={role} data-status={status} tabIndex={-1}>
          <div class="margin">
            {role !== "tool" && <span class="speaker">{words.transcript[role]}</span>}
            {entry.atMs > 0 && <Time atMs={entry.atMs} />}
          </div>
          {tool ? (
            <ToolCard tool={tool} answer={(isAllowed) => talk.approve(id, isAllowed)} />
          ) : (
            <Said entry={entry} />
          )}
          {isChosen && status !== "tentative" && <EntryActions entry={entry} talk={talk} />}
        </li>
      </Fragment>
    );
  }
}

function Said({ entry }: { entry: Entry }) {
  const { heard, unheard } = split(entry);
  const isCut = entry.status === "interrupted";
  return (
    <p dir="auto">
      {heard}
      {unheard && isCut && <Unheard text={unheard} />}
      {unheard && !isCut && <span class="ahead">{unheard}</span>}
    </p>
  );
}

function Unheard({ text }: { text: string }) {
  return (
    <>
      <span class="aside">{words.transcript.unheardBefore}</span>
      <s>{text}</s>
      <span class="aside">{words.transcript.unheardAfter}</span>
    </>
  );
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit", second: "2-digit" });

function Time({ atMs }: { atMs: number }) {
  const at = new Date(atMs);
  return <time dateTime={at.toISOString()}>{CLOCK.format(at)}</time>;
}

function EntryActions({ entry, talk }: { entry: Entry; talk: Talk }) {
  const [isCopied, setCopied] = useState(false);
  const { copy: label, copied, remove } = words.transcript;
  return (
    <div class="entry-actions">
      {entry.hasSound && <PlayButton id={entry.id} talk={talk} />}
      <button
        type="button"
        class="icon-button small"
        aria-label={isCopied ? copied : label}
        title={isCopied ? copied : label}
        onClick={() => void copy(entry.tool?.output ?? entry.text).then(setCopied)}
      >
        <Icon name={isCopied ? "check" : "copy"} />
      </button>
      <button
        type="button"
        class="icon-button small"
        aria-label={remove}
        title={remove}
        onClick={() => talk.remove(entry.id)}
      >
        <Icon name="remove" />
      </button>
    </div>
  );
}

function PlayButton({ id, talk }: { id: string; talk: Talk }) {
  const { isPlaying, toggle } = useSound(id, talk);
  const label = isPlaying ? words.transcript.stop : words.transcript.play;
  return (
    <button type="button" class="icon-button small" aria-label={label} title={label} onClick={toggle}>
      <Icon name={isPlaying ? "end" : "volume"} />
    </button>
  );
}
