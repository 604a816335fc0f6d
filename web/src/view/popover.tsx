/** A button that opens a small box. Escape, a press elsewhere and the focus leaving all close it. */

import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon, type IconName } from "./icons";

interface PopoverProps {
  label: string;
  icon: IconName;
  class: string;
  children(close: () => void): ComponentChildren;
}

export function Popover({ label, icon, class: kind, children }: PopoverProps) {
  const [isOpen, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  useClosing(isOpen, box, (hasEscaped) => {
    setOpen(false);
    if (hasEscaped) button.current?.focus();
  });
  return (
    <div class={`popover ${kind}`} ref={box}>
      <button
        type="button"
        class="icon-button"
        ref={button}
        aria-label={label}
        title={label}
        aria-expanded={isOpen}
        aria-controls={id}
        onClick={() => setOpen(!isOpen)}
      >
        <Icon name={icon} />
      </button>
      {isOpen && (
        <section id={id} class="popover-box" aria-label={label}>
          {children(() => setOpen(false))}
        </section>
      )}
    </div>
  );
}

function useClosing(
  isOpen: boolean,
  box: { current: HTMLElement | null },
  close: (hasEscaped: boolean) => void,
): void {
  useLayoutEffect(() => {
    if (!isOpen) return;
    const press = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      // Nobody else is to take it for theirs: it would end the talk.
      event.stopPropagation();
      close(true);
    };
    const leave = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) close(false);
    };
    const stop = new AbortController();
    const options = { capture: true, signal: stop.signal };
    addEventListener("keydown", press, options);
    addEventListener("pointerdown", leave, options);
    addEventListener("focusin", leave, options);
    return () => stop.abort();
  }, [isOpen]);
}
