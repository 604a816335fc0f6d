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
import { leaveQuestion } from "./words";

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
            <Asked
              label={words.menu.fresh}
              ask={leaveQuestion(state)}
              sure={words.conversations.leave.fresh}
              not={words.conversations.stay}
              act={() => begin(talk)}
              done={close}
            />
            {state.isKept && state.conversationId && (
              <Asked
                label={words.menu.remove}
                ask={words.menu.removeAsk}
                sure={words.menu.removeSure}
                not={words.menu.removeNot}
                failed={words.menu.removeFailed}
                isDanger
                act={() => remove(talk, kept, state.conversationId as string)}
                done={close}
              />
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

function begin(talk: Talk): void {
  talk.end();
  talk.clear();
}

async function remove(talk: Talk, kept: KeptConversations, id: string): Promise<void> {
  talk.end();
  await kept.remove(id);
  // Another may have been begun meanwhile.
  if (talk.state.conversationId === id || talk.state.conversationId === null) talk.clear();
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

interface AskedProps {
  label: string;
  /** Null: done at once. */
  ask: string | null;
  sure: string;
  not: string;
  failed?: string;
  isDanger?: boolean;
  act(): Promise<void> | void;
  done(): void;
}

/** Asks where it stands: no window in between. */
function Asked({ label, ask, sure, not, failed, isDanger = false, act, done }: AskedProps) {
  const [step, setStep] = useState<"offered" | "asked" | "failed">("offered");
  const go = () => void Promise.resolve(act()).then(done, () => setStep("failed"));
  if (step === "offered" || ask === null) {
    return (
      <button
        type="button"
        class={isDanger ? "menu-item danger" : "menu-item"}
        onClick={ask === null ? go : () => setStep("asked")}
      >
        {label}
      </button>
    );
  }
  return (
    <fieldset class="menu-confirm" aria-label={ask}>
      <p role="alert">{step === "failed" && failed ? failed : ask}</p>
      <button type="button" class="small-button danger" onClick={go}>
        {sure}
      </button>
      <button type="button" class="small-button" ref={focus} onClick={() => setStep("offered")}>
        {not}
      </button>
    </fieldset>
  );
}

function focus(element: HTMLElement | null): void {
  element?.focus();
}
