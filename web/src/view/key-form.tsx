/** Where a server's key is asked for. */

import { useEffect, useRef } from "preact/hooks";
import { words } from "../words";

export function KeyForm({ unlock }: { unlock(key: string): void }) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const submit = (event: Event) => {
    event.preventDefault();
    const key = field.current?.value.trim();
    if (key) unlock(key);
  };
  return (
    <form class="key" onSubmit={submit}>
      <input
        ref={field}
        type="password"
        aria-label={words.key.label}
        placeholder={words.key.label}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        required
      />
      <button type="submit" class="talk">
        {words.key.go}
      </button>
    </form>
  );
}
