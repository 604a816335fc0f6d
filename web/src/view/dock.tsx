/** The shape, the state in words, and what can be done about it. */

import { type ConversationState, isAboutKey, type Phase, phaseOf, type Talk } from "duologue-client";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { words } from "../words";
import { Composer } from "./composer";
import { Controls } from "./controls";
import type { Figure } from "./figure";
import { Hold } from "./hold";
import { KeyForm } from "./key-form";
import { Shape } from "./shape";
import {
  buttonLabel,
  canContinue,
  isUnderWay,
  noticeOf,
  offersTyping,
  phaseLine,
  shareOf,
  troubleLine,
} from "./words";

export function Dock({ talk, state }: { talk: Talk; state: ConversationState }) {
  const phase = phaseOf(state);
  const isOpen = state.link === "open";
  const { wait } = state;
  const focus = useKeptFocus(state.link);
  const isAsked = state.trouble !== null && isAboutKey(state.trouble);
  return (
    <section class="dock" aria-label={words.talk.region} {...focus}>
      <Stage press={isUnderWay(state) || isAsked ? null : () => begin(talk, state)}>
        <Shape
          figure={figureOf(state, phase)}
          levels={talk.levels}
          share={shareOf(wait)}
          ahead={wait?.kind === "line" ? wait.position - 1 : 0}
        />
        {isOpen && state.isPushToTalk && <Hold talk={talk} isHeld={!state.isMuted} isShape />}
      </Stage>
      <StateLine phase={phase} state={state} isInterruptible={talk.settings.isInterruptible} />
      {isOpen ? <Controls talk={talk} state={state} /> : <Beginnings talk={talk} state={state} />}
      {isOpen && <Composer say={(text) => talk.say(text)} />}
    </section>
  );
}

/** A button that was pressed by keyboard makes way for others: the focus goes to the first of them, not away. */
function useKeptFocus(link: ConversationState["link"]) {
  const dock = useRef<HTMLElement>(null);
  const isWithin = useRef(false);
  useEffect(() => {
    if (!isWithin.current || document.activeElement !== document.body) return;
    dock.current?.querySelector<HTMLElement>(".actions button, form input")?.focus();
  }, [link]);
  return {
    ref: dock,
    onFocusIn: ({ target }: FocusEvent) => {
      isWithin.current = target instanceof Element && target.matches(":focus-visible");
    },
    onFocusOut: ({ relatedTarget }: FocusEvent) => {
      if (relatedTarget) isWithin.current = false;
    },
  };
}

/** Pressing the shape begins a talk. Keyboard and screen reader have the button for it. */
function Stage({ press, children }: { press: (() => void) | null; children: ComponentChildren }) {
  if (!press)
    return (
      <div class="stage" aria-hidden="true">
        {children}
      </div>
    );
  return (
    <div class="stage pressable" aria-hidden="true" onClick={press}>
      {children}
    </div>
  );
}

function begin(talk: Talk, state: ConversationState): void {
  const { conversationId } = state;
  talk.start(canContinue(state) && conversationId !== null ? { conversationId } : {});
}

function figureOf({ trouble, wait }: ConversationState, phase: Phase): Figure {
  if (trouble?.kind === "key-needed") return "locked";
  if (phase === "waiting") return wait?.kind === "line" ? "queueing" : "warming";
  return phase;
}

/** What leads into a talk, or out of the wait for one. */
function Beginnings({ talk, state }: { talk: Talk; state: ConversationState }) {
  if (state.trouble && isAboutKey(state.trouble)) {
    return <KeyForm unlock={(key) => talk.unlock(key)} isRefused={state.trouble.kind !== "key-needed"} />;
  }
  const isWaiting = isUnderWay(state);
  const press = () => (isWaiting ? talk.end() : begin(talk, state));
  return (
    <div class="actions">
      <button type="button" class={isWaiting ? "talk under-way" : "talk"} onClick={press}>
        <span>{buttonLabel(state)}</span>
      </button>
      {state.link === "reconnecting" && (
        <button type="button" class="plain" onClick={() => talk.start()}>
          {words.actions.tryNow}
        </button>
      )}
      {offersTyping(state) && (
        <button type="button" class="plain" onClick={() => talk.start({ hasMicrophone: false })}>
          {words.actions.typeInstead}
        </button>
      )}
      {!isWaiting && canContinue(state) && (
        <button type="button" class="plain" onClick={() => talk.clear()}>
          {words.actions.fresh}
        </button>
      )}
    </div>
  );
}

interface StateLineProps {
  phase: Phase;
  state: ConversationState;
  isInterruptible: boolean;
}

/** What happens. What only the eye needs is no live region: see `announcementOf`. */
function StateLine({ phase, state, isInterruptible }: StateLineProps) {
  const trouble = state.trouble && troubleLine(state.trouble);
  const notice = noticeOf(state);
  const line = phase === "error" ? null : phaseLine(phase, state, isInterruptible);
  return (
    <div class="words">
      {line && <p class="title">{line.title}</p>}
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
