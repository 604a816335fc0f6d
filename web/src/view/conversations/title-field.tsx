/** A title, being changed in its place. */

import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { words } from "../../words";
import { troubleOf } from "./listing";

interface TitleProps {
  title: string;
  rename(title: string): Promise<void>;
  done(): void;
}

const LONGEST = 120;

export function TitleField({ title, rename, done }: TitleProps) {
  const field = useRef<HTMLInputElement>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const ids = useId();
  // Before anything can be typed: what is typed replaces the title.
  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, []);
  const save = (event: Event) => {
    event.preventDefault();
    const wanted = field.current?.value.trim() ?? "";
    if (!wanted) return setFailure(words.conversations.emptyTitle);
    if (wanted === title) return done();
    rename(wanted).then(done, (error) => setFailure(troubleOf(error).message || words.conversations.failed));
  };
  const leave = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    done();
  };
  return (
    <form class="row-rename" onSubmit={save}>
      <input
        ref={field}
        class="field-box"
        defaultValue={title}
        maxLength={LONGEST}
        aria-label={words.conversations.title}
        aria-describedby={`${ids}-hint`}
        aria-invalid={failure !== null}
        onKeyDown={leave}
      />
      <p id={`${ids}-hint`} class="field-note">
        {words.conversations.renameHint}
      </p>
      {failure && (
        <p role="alert" class="field-error">
          {failure}
        </p>
      )}
    </form>
  );
}
