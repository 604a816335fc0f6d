/** How to connect to this server from a program of one's own. */

import { useEffect, useState } from "preact/hooks";
import { words } from "../../words";
import { CopyButton } from "./copy-button";
import { addressOf, asksForKey, programOf, SNIPPETS, type SnippetName, stepBefore } from "./snippets";

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
  const { snippets, steps } = words.developer;
  const { name: title, hint, insecure } = snippets[name];
  const before = stepBefore(name);
  const isInsecure = addressOf(base).startsWith("http:");
  const program = (of: SnippetName) => <Program name={of} text={programOf(of, base, needsKey)} />;
  return (
    <details class="snippet" name="snippet" open={isOpen}>
      <summary>{title}</summary>
      {hint && <p class="developer-note">{hint}</p>}
      {insecure && isInsecure && <p class="developer-note">{insecure}</p>}
      {before && <p class="developer-step">{steps.secret}</p>}
      {before && program(before)}
      {before && <p class="developer-step">{steps.page}</p>}
      {program(name)}
    </details>
  );
}

function Program({ name, text }: { name: SnippetName; text: string }) {
  return (
    <div class="developer-whole">
      <CopyButton text={text} label={words.developer.snippets[name].name} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be within reach of the keyboard. */}
      <pre tabIndex={0} data-snippet={name}>
        {text}
      </pre>
    </div>
  );
}
