/** Puts a text into the clipboard, and says whether it did. */

import { useEffect, useState } from "preact/hooks";
import { words } from "../../words";
import { copy } from "../copy";

const SAID_MS = 2500;

export function CopyButton({ text, label }: { text: string; label?: string }) {
  const [said, say] = useState<string | null>(null);
  useEffect(() => {
    if (said === null) return;
    const timer = setTimeout(() => say(null), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const { copied, notCopied } = words.developer;
  return (
    <button
      type="button"
      class="developer-copy"
      aria-label={label && said === null ? `${words.developer.copy}: ${label}` : undefined}
      onClick={async () => say((await copy(text)) ? copied : notCopied)}
    >
      <span aria-live="polite">{said ?? words.developer.copy}</span>
    </button>
  );
}
