/** A line to type in, beside speech. */

import { useRef } from "preact/hooks";
import { words } from "../words";

export function Composer({ say }: { say(text: string): void }) {
  const field = useRef<HTMLInputElement>(null);
  const send = (event: Event) => {
    event.preventDefault();
    const text = field.current?.value.trim();
    if (!text || !field.current) return;
    say(text);
    field.current.value = "";
  };
  return (
    <form class="composer" onSubmit={send}>
      <input
        ref={field}
        type="text"
        aria-label={words.composer.label}
        placeholder={words.composer.placeholder}
        autocomplete="off"
        enterkeyhint="send"
        maxLength={2000}
      />
      <button type="submit">{words.composer.send}</button>
    </form>
  );
}
