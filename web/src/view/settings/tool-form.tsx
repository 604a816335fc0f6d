/** A further MCP server. */

import type { Offer, ToolServer } from "duologue-client";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { words } from "../../words";
import { problemsOf, type ToolProblems } from "./tool-servers";

interface FormProps {
  others: readonly ToolServer[];
  mcp: Offer["mcp"];
  add(server: ToolServer): void;
  cancel(): void;
}

const NONE: ToolProblems = { label: null, url: null };

export function ToolForm({ others, mcp, add, cancel }: FormProps) {
  const form = useRef<HTMLFormElement>(null);
  const [problems, setProblems] = useState(NONE);
  useLayoutEffect(() => form.current?.querySelector("input")?.focus(), []);
  const submit = (event: Event) => {
    event.preventDefault();
    const fields = new FormData(form.current as HTMLFormElement);
    const label = String(fields.get("label")).trim();
    const url = String(fields.get("url")).trim();
    const found = problemsOf({ label, url }, others, mcp);
    setProblems(found);
    if (!found.label && !found.url) return add({ label, url, isOn: true, asksFirst: true });
    const wrong = found.label ? "label" : "url";
    form.current?.querySelector<HTMLElement>(`[name=${wrong}]`)?.focus();
  };
  const leave = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    cancel();
  };
  const text = words.settings;
  return (
    <form
      ref={form}
      class="tool-form"
      aria-label={text.addTool}
      noValidate
      onSubmit={submit}
      onKeyDown={leave}
    >
      <TextField
        name="label"
        label={text.label}
        hint={text.labelHint}
        problem={problems.label && text.problems[problems.label]}
      />
      <TextField
        name="url"
        isAddress
        label={text.url}
        hint={mcp === "public" ? text.urlPublicHint : text.urlHint}
        problem={problems.url && text.problems[problems.url]}
      />
      <div class="tool-form-foot">
        <button type="submit" class="small-button">
          {text.add}
        </button>
        <button type="button" class="small-button quiet" onClick={cancel}>
          {text.cancel}
        </button>
      </div>
    </form>
  );
}

interface TextFieldProps {
  name: string;
  isAddress?: boolean;
  label: string;
  hint: string;
  problem: string | null;
}

function TextField({ name, isAddress = false, label, hint, problem }: TextFieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        name={name}
        type="text"
        inputMode={isAddress ? "url" : "text"}
        class="field-box"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        aria-invalid={problem !== null}
        aria-describedby={`${id}-hint ${id}-problem`}
      />
      <p id={`${id}-hint`} class="field-note">
        {hint}
      </p>
      <div id={`${id}-problem`} role="alert">
        {problem && <p class="field-error">{problem}</p>}
      </div>
    </div>
  );
}
