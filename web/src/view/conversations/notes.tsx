/** What is said instead of a list, or below it. */

import type { KeptTrouble, Offer } from "duologue-client";
import { words } from "../../words";
import { KeyForm } from "../key-form";

/** The server keeps none: how its owner changes that. */
export function Closed() {
  const { title, hint, setting } = words.conversations.off;
  return (
    <div class="conversations-note">
      <p class="note-title">{title}</p>
      <p>{hint}</p>
      <pre>{setting}</pre>
    </div>
  );
}

export function Empty() {
  const { title, hint } = words.conversations.empty;
  return (
    <div class="conversations-note">
      <p class="note-title">{title}</p>
      <p>{hint}</p>
    </div>
  );
}

interface TroubleProps {
  trouble: KeptTrouble;
  /** A key was given, and not accepted. */
  isKeyRefused: boolean;
  retry(): void;
  unlock(key: string): void;
}

export function TroubleNote({ trouble, isKeyRefused, retry, unlock }: TroubleProps) {
  const { key, keyRefused, away } = words.conversations;
  const { title, hint } = trouble.kind !== "key" ? away : isKeyRefused ? keyRefused : key;
  return (
    <div class="conversations-note">
      <div role="alert">
        <p class="note-title">{title}</p>
        <p>{hint}</p>
      </div>
      {trouble.kind === "key" ? (
        <KeyForm unlock={unlock} />
      ) : (
        <button type="button" class="small-button" onClick={retry}>
          {words.conversations.retry}
        </button>
      )}
    </div>
  );
}

/** How long they are kept, and what of them. */
export function Keeping({ offer }: { offer: Offer | null }) {
  if (!offer) return null;
  const { days, hasSound } = offer.store;
  return (
    <p class="field-note">
      {words.conversations.keptFor(days)}{" "}
      {hasSound ? words.conversations.withSound : words.conversations.wordsOnly}
    </p>
  );
}
