/** A question in place, before something that cannot be undone. */

import { useLayoutEffect, useRef } from "preact/hooks";

interface ConfirmProps {
  ask: string;
  sure: string;
  not: string;
  isHarmless?: boolean;
  /** Rejections are the caller's to show. */
  act(): void;
  cancel(): void;
}

/** The way back has the focus, so that Enter alone deletes nothing. */
export function Confirm({ ask, sure, not, isHarmless = false, act, cancel }: ConfirmProps) {
  const back = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => back.current?.focus(), []);
  const leave = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    cancel();
  };
  return (
    <fieldset class="confirm" aria-label={ask} onKeyDown={leave}>
      <p role="alert">{ask}</p>
      <div class="confirm-choice">
        <button type="button" class={isHarmless ? "small-button" : "small-button danger"} onClick={act}>
          {sure}
        </button>
        <button type="button" class="small-button quiet" ref={back} onClick={cancel}>
          {not}
        </button>
      </div>
    </fieldset>
  );
}
