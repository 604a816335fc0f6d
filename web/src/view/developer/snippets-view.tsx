/** How to connect to this server from a program of one's own. */

import { useEffect, useState } from "preact/hooks";
import { words } from "../../words";
import { CopyButton } from "./copy-button";
import { addressOf, asksForKey, programOf, SNIPPETS, type SnippetName } from "./snippets";

export function Snippets({ base }: { base: string }) {
  const [needsKey, tell] = useState<boolean | null>(null);
  useEffect(() => void asksForKey(base).then(tell), [base]);
  const { intro, address, keyUnknown } = words.developer;
  const keyHint = { true: words.developer.needsKey, false: words.developer.needsNoKey, null: keyUnknown };
  return (
    <div class="snippets">
      <p>{intro}</p>
      <p class="snippets-address">
        <span class="snippets-label">{address}</span> <code>{addressOf(base)}/v1</code>
        <CopyButton text={`${addressOf(base)}/v1`} label={address} />
      </p>
      <p class="developer-note">{keyHint[`${needsKey}`]}</p>
      {SNIPPETS.map((name, i) => (
        <Snippet key={name} name={name} base={base} needsKey={needsKey === true} isOpen={i === 0} />
      ))}
      <a class="snippets-ops" href={new URL("ops/", base).href} target="_blank" rel="noopener">
        {words.developer.ops}
      </a>
    </div>
  );
}

interface SnippetProps {
  name: SnippetName;
  base: string;
  needsKey: boolean;
  isOpen: boolean;
}

function Snippet({ name, base, needsKey, isOpen }: SnippetProps) {
  const program = programOf(name, base, needsKey);
  const { name: title, hint } = words.developer.snippets[name];
  return (
    <details class="snippet" name="snippet" open={isOpen}>
      <summary>{title}</summary>
      {hint && <p class="developer-note">{hint}</p>}
      <div class="developer-whole">
        <CopyButton text={program} label={title} />
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be within reach of the keyboard. */}
        <pre tabIndex={0} data-snippet={name}>
          {program}
        </pre>
      </div>
    </details>
  );
}
