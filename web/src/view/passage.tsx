/** A stretch of the transcript. A talk of a thousand entries is looked through by passages, not entry by entry. */

import type { Entries, Talk } from "duologue-client";
import { Component, Fragment } from "preact";
import { EntryLine } from "./entry";

const LENGTH = 40;

/** `entries` in stretches; only the last is shorter than the others. */
export function passagesOf(entries: Entries): Entries[] {
  const count = Math.ceil(entries.length / LENGTH);
  return Array.from({ length: count }, (_, i) => entries.slice(LENGTH * i, LENGTH * (i + 1)));
}

interface PassageProps {
  entries: Entries;
  talk: Talk;
  /** The entry under the pointer or the focus, if it is one of these. */
  chosen: string | null;
  /** The first entry that the assistant knows, if it is one of these. */
  knownFrom: string | null;
  isFar: boolean;
}

export class Passage extends Component<PassageProps> {
  override shouldComponentUpdate(next: PassageProps): boolean {
    const { entries, chosen, knownFrom, isFar } = this.props;
    return (
      next.chosen !== chosen ||
      next.knownFrom !== knownFrom ||
      next.isFar !== isFar ||
      next.entries.length !== entries.length ||
      next.entries.some((entry, i) => entry !== entries[i])
    );
  }

  override render({ entries, talk, chosen, knownFrom, isFar }: PassageProps) {
    return (
      <Fragment>
        {entries.map((entry) => (
          <EntryLine
            key={entry.id}
            entry={entry}
            talk={talk}
            isChosen={entry.id === chosen}
            isKnownFrom={entry.id === knownFrom}
            isFar={isFar}
          />
        ))}
      </Fragment>
    );
  }
}
