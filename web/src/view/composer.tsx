/** A line to type in, beside speech. */

import { useRef } from "preact/hooks";

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
        aria-label="Type instead of speaking"
        placeholder="Or type here"
        autocomplete="off"
        enterkeyhint="send"
        maxLength={2000}
      />
      <button type="submit">Send</button>
    </form>
  );
}
