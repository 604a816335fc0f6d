/** A tool that the assistant used, or asks to use. */

import type { ToolUse } from "duologue-client";
import { words } from "../words";
import { Icon } from "./icons";

interface ToolCardProps {
  tool: ToolUse;
  answer(isAllowed: boolean): void;
}

export function ToolCard({ tool, answer }: ToolCardProps) {
  const { name, server, status } = tool;
  const text = words.tools;
  return (
    <div class="tool" data-tool={status}>
      <details open={status === "asks"}>
        <summary>
          <Icon name="tool" />
          <b>{name}</b>
          {server && <span>{text.from(server)}</span>}
          <span class="tool-status">{text[status]}</span>
        </summary>
        <Part name={text.given} value={tool.arguments} />
        <Part name={text.output} value={tool.output} />
        <Part name={text.failure} value={tool.failure} />
      </details>
      {status === "asks" && (
        <div class="tool-answer">
          <button type="button" class="small-button primary" onClick={() => answer(true)}>
            {text.allow}
          </button>
          <button type="button" class="small-button" onClick={() => answer(false)}>
            {text.deny}
          </button>
        </div>
      )}
    </div>
  );
}

function Part({ name, value }: { name: string; value: string | null }) {
  if (!value) return null;
  return (
    <div class="tool-part">
      <p class="part-name">{name}</p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
      <pre tabIndex={0}>{indented(value)}</pre>
    </div>
  );
}

/** JSON as people read it; anything else as it is. */
export function indented(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
