/** The whole page: the words, the shape, the button. */

import type { Conversation } from "duologue-client";
import { type ConversationState, isAboutKey, type Phase, phaseOf } from "duologue-client";
import { useEffect, useReducer, useRef } from "preact/hooks";
import { Composer } from "./composer";
import { KeyForm } from "./key-form";
import { Meters, useLevels } from "./levels";
import { Presence } from "./presence";
import { Status } from "./status";
import { Transcript } from "./transcript";
import { buttonLabel, noticeOf, offersTyping, phaseLine, titleOf, troubleLine } from "./words";

export function Page({ conversation }: { conversation: Conversation }) {
  const state = useConversation(conversation);
  const main = useRef<HTMLElement>(null);
  const isOpen = state.link === "open";
  const isUnderWay = isOpen || state.link === "connecting" || state.link === "waiting";
  const hasWords = state.entries.some((entry) => entry.text);
  const phase = phaseOf(state);
  const figure = state.trouble?.kind === "key-needed" ? "locked" : phase;
  useLevels(main, conversation, isOpen);
  useEscape(conversation);
  useTitle(titleOf(state));
  return (
    <main ref={main} data-state={phase} class={isUnderWay || hasWords ? "docked" : "welcome"}>
      <header>
        <h1>Duologue</h1>
        <Status state={state} />
      </header>
      {hasWords ? <Transcript entries={state.entries} /> : <Presence figure={figure} wait={state.wait} />}
      <section class="dock" aria-label="Conversation">
        {hasWords && <Presence figure={figure} wait={state.wait} />}
        <Words phase={phase} state={state} />
        <Actions conversation={conversation} state={state} isUnderWay={isUnderWay} />
        {isOpen && <Meters hasMicrophone={state.hasMicrophone} />}
        {isOpen && <Composer say={(text) => conversation.say(text)} />}
      </section>
    </main>
  );
}

interface ActionsProps {
  conversation: Conversation;
  state: ConversationState;
  isUnderWay: boolean;
}

function Actions({ conversation, state, isUnderWay }: ActionsProps) {
  if (state.trouble && isAboutKey(state.trouble)) {
    return <KeyForm unlock={(key) => conversation.unlock(key)} />;
  }
  const press = () => (isUnderWay ? conversation.end() : conversation.start());
  return (
    <div class="actions">
      <button type="button" class={isUnderWay ? "talk under-way" : "talk"} onClick={press}>
        {buttonLabel(state)}
      </button>
      {offersTyping(state) && (
        <button type="button" class="plain" onClick={() => conversation.start({ hasMicrophone: false })}>
          Type instead
        </button>
      )}
    </div>
  );
}

function Words({ phase, state }: { phase: Phase; state: ConversationState }) {
  const trouble = state.trouble && troubleLine(state.trouble);
  const notice = noticeOf(state);
  const line = phase === "error" ? null : phaseLine(phase, state);
  return (
    <div class="words">
      <div role="status">{line && <p class="title">{line.title}</p>}</div>
      {line && !notice && <p class="hint">{line.hint}</p>}
      <div role="alert">
        {trouble && <p class="title">{trouble.title}</p>}
        {trouble && <p class="hint">{trouble.hint}</p>}
        {trouble?.detail && <p class="hint">{trouble.detail}</p>}
        {notice && <p class="hint notice">{notice}</p>}
      </div>
    </div>
  );
}

function useConversation(conversation: Conversation): ConversationState {
  const [, render] = useReducer((count: number) => count + 1, 0);
  useEffect(() => conversation.watch(() => render(undefined as never)), [conversation]);
  return conversation.state;
}

function useTitle(title: string): void {
  useEffect(() => {
    document.title = title;
  }, [title]);
}

function useEscape(conversation: Conversation): void {
  useEffect(() => {
    const end = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.isComposing) conversation.end();
    };
    addEventListener("keydown", end);
    return () => removeEventListener("keydown", end);
  }, [conversation]);
}
