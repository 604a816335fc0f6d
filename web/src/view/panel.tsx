/** What opens beside the talk: at the side where there is room, else as a sheet over it. */

import type { ComponentChildren } from "preact";
import { useEffect, useReducer, useRef } from "preact/hooks";
import { words } from "../words";
import { Icon } from "./icons";

interface PanelProps {
  id: string;
  title: string;
  side: "left" | "right";
  close(): void;
  children: ComponentChildren;
}

export function Panel({ id, title, side, close, children }: PanelProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const isSheet = !useIsWide();
  useEffect(() => {
    const opener = document.activeElement;
    heading.current?.focus({ preventScroll: true });
    // Only once the page behind a sheet can be reached again.
    return () => queueMicrotask(() => opener instanceof HTMLElement && opener.focus());
  }, []);
  return (
    <section
      id={id}
      class={`panel ${side}`}
      aria-labelledby={`${id}-title`}
      {...(isSheet ? { role: "dialog", "aria-modal": "true" as const } : {})}
    >
      <header class="panel-head">
        <h2 id={`${id}-title`} ref={heading} tabIndex={-1}>
          {title}
        </h2>
        <button
          type="button"
          class="icon-button"
          onClick={close}
          aria-label={words.close}
          title={words.close}
        >
          <Icon name="close" />
        </button>
      </header>
      <div class="panel-body">{children}</div>
    </section>
  );
}

// As in style.css: room for the talk and a panel beside it.
const WIDE = "(min-width: 64rem)";

export function useIsWide(): boolean {
  const [, render] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const query = matchMedia(WIDE);
    const note = () => render(undefined as never);
    query.addEventListener("change", note);
    return () => query.removeEventListener("change", note);
  }, []);
  return matchMedia(WIDE).matches;
}
