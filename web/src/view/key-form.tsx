/** Where a server's key is asked for. */

import { useEffect, useRef } from "preact/hooks";
import { words } from "../words";

/** `isRefused`: a key was given and not accepted; it can be looked at. */
export function KeyForm({ unlock, isRefused = false }: { unlock(key: string): void; isRefused?: boolean }) {
  const field = useRef<HTMLInputElement>(null);
  const show = (isShown: boolean) => {
    if (field.current) field.current.type = isShown ? "text" : "password";
  };
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
      {isRefused && (
        <label class="key-shown">
          <input type="checkbox" onChange={(event) => show(event.currentTarget.checked)} />
          {words.key.show}
        </label>
      )}
    </form>
  );
}
