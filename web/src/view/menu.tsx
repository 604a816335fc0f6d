/** What is wanted of a conversation now and then: it as a file, a new one, it gone. */

import {
  asJson,
  asText,
  asVtt,
  type ConversationState,
  type Entries,
  type KeptConversations,
  type Talk,
} from "duologue-client";
import { useState } from "preact/hooks";
import { words } from "../words";
import { copy, save } from "./copy";
import { Popover } from "./popover";
import type { Look } from "./prefs";

interface MenuProps {
  talk: Talk;
  kept: KeptConversations;
  state: ConversationState;
  look: Look;
  setLook(look: Look): void;
}

export function Menu({ talk, kept, state, look, setLook }: MenuProps) {
  const { entries } = state;
  return (
    <Popover label={words.menu.label} icon="more" class="menu">
      {(close) => (
        <>
          <Files entries={entries} />
          <div class="menu-group">
            <button
              type="button"
              class="menu-item"
              onClick={() => {
                talk.end();
                talk.clear();
                close();
              }}
            >
              {words.menu.fresh}
            </button>
            {state.isKept && state.conversationId && (
              <Removal remove={() => remove(talk, kept, state.conversationId as string)} done={close} />
            )}
          </div>
          <div class="menu-group">
            <label class="menu-item">
              <input
                type="checkbox"
                checked={look.hasTimes}
                onChange={({ currentTarget }) => setLook({ ...look, hasTimes: currentTarget.checked })}
              />
              {words.menu.times}
            </label>
          </div>
        </>
      )}
    </Popover>
  );
}

async function remove(talk: Talk, kept: KeptConversations, id: string): Promise<void> {
  talk.end();
  await kept.remove(id);
  talk.clear();
}

const FILES = [
  ["json", "application/json", asJson],
  ["text", "text/plain", asText],
  ["vtt", "text/vtt", asVtt],
] as const;
const ENDINGS = { json: "json", text: "txt", vtt: "vtt" } as const;

function Files({ entries }: { entries: Entries }) {
  const [isCopied, setCopied] = useState(false);
  return (
    <div class="menu-group">
      <button type="button" class="menu-item" onClick={() => void copy(asText(entries)).then(setCopied)}>
        {isCopied ? words.menu.copied : words.menu.copyAll}
      </button>
      <div class="menu-item saving">
        <span>{words.menu.save}</span>
        {FILES.map(([kind, type, write]) => (
          <button
            key={kind}
            type="button"
            class="small-button"
            onClick={() => save(`${fileName(entries)}.${ENDINGS[kind]}`, type, write(entries))}
          >
            {words.menu[kind]}
          </button>
        ))}
      </div>
    </div>
  );
}

/** By when it began, so that files sort. */
function fileName(entries: Entries): string {
  const at = new Date(entries[0]?.atMs || Date.now()).toISOString();
  return `duologue-${at.slice(0, 16).replace(/[T:]/g, "-")}`;
}

/** Asks where it stands: no window in between. */
function Removal({ remove, done }: { remove(): Promise<void>; done(): void }) {
  const [step, setStep] = useState<"offered" | "asked" | "failed">("offered");
  if (step === "offered") {
    return (
      <button type="button" class="menu-item danger" onClick={() => setStep("asked")}>
        {words.menu.remove}
      </button>
    );
  }
  return (
    <fieldset class="menu-confirm" aria-label={words.menu.removeAsk}>
      <p role="alert">{step === "failed" ? words.menu.removeFailed : words.menu.removeAsk}</p>
      <button
        type="button"
        class="small-button danger"
        onClick={() => void remove().then(done, () => setStep("failed"))}
      >
        {words.menu.removeSure}
      </button>
      <button type="button" class="small-button" ref={focus} onClick={() => setStep("offered")}>
        {words.menu.removeNot}
      </button>
    </fieldset>
  );
}

function focus(element: HTMLElement | null): void {
  element?.focus();
}
