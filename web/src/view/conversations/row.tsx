/** One conversation of the list, with what can be done with it. */

import type { Kept } from "duologue-client";
import type { RefObject } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import { words } from "../../words";
import { Icon } from "../icons";
import { Confirm } from "./confirm";
import { clockTime } from "./days";
import { troubleOf } from "./listing";
import { mark } from "./marking";
import { locale } from "./reader";
import { TitleField } from "./title-field";
import { useFocusBack } from "./use-focus-back";

interface RowProps {
  each: Kept;
  query: string;
  /** It is the one on the page. */
  isShown: boolean;
  /** Somebody talks on this page, in whichever conversation. */
  isUnderWay: boolean;
  /** What is asked before this one takes the place of an unkept one on the page; null: nothing would be lost. */
  question: string | null;
  isExpanded: boolean;
  expand(isOpen: boolean): void;
  show(): Promise<void>;
  resume(): Promise<void>;
  rename(title: string): Promise<void>;
  remove(): Promise<void>;
}

/** "leaving-…": what is on the page is asked about before it makes way. */
type Mode = "plain" | "renaming" | "removing" | "leaving-show" | "leaving-resume";

export function Row(props: RowProps) {
  const { each, isShown, isUnderWay, question, isExpanded, expand, show } = props;
  const [mode, setMode] = useState<Mode>("plain");
  const [failure, setFailure] = useState<string | null>(null);
  const actions = useId();
  const main = useRef<HTMLButtonElement>(null);
  useFocusBack(mode !== "plain", main);
  const isHere = isShown && isUnderWay;
  const tryTo = (act: () => Promise<void>) => {
    setFailure(null);
    setMode("plain");
    act().catch((error) => setFailure(explain(error)));
  };
  const open = () => {
    expand(true);
    if (!isShown && (isUnderWay || question)) setMode("leaving-show");
    else tryTo(show);
  };
  return (
    <li class="row" data-shown={isShown}>
      {mode === "renaming" ? (
        <TitleField title={each.title} rename={props.rename} done={() => setMode("plain")} />
      ) : (
        <div class="row-head">
          <Main each={each} query={props.query} isShown={isShown} isHere={isHere} open={open} button={main} />
          <button
            type="button"
            class="icon-button"
            aria-expanded={isExpanded}
            aria-controls={actions}
            aria-label={words.conversations.about(each.title || words.conversations.untitled)}
            onClick={() => expand(!isExpanded)}
          >
            <Icon name="more" />
          </button>
        </div>
      )}
      <div id={actions}>
        {isExpanded && mode !== "renaming" && (
          <Below {...props} isHere={isHere} mode={mode} setMode={setMode} tryTo={tryTo} />
        )}
        {failure && (
          <p role="alert" class="field-error">
            {failure}
          </p>
        )}
      </div>
    </li>
  );
}

interface MainProps {
  each: Kept;
  query: string;
  isShown: boolean;
  isHere: boolean;
  open(): void;
  button: RefObject<HTMLButtonElement | null>;
}

function Main({ each, query, isShown, isHere, open, button }: MainProps) {
  const { id, title, snippet, turns, updatedMs, isLive } = each;
  return (
    <button
      ref={button}
      type="button"
      class="row-main"
      id={`row-${id}`}
      onClick={open}
      aria-current={isShown ? "true" : undefined}
    >
      <span class="row-title">
        <Marked text={title || words.conversations.untitled} query={title ? query : ""} />
      </span>
      {query && snippet && (
        <span class="row-snippet">
          <Marked text={snippet} query={query} />
        </span>
      )}
      <span class="row-facts">
        <span>{clockTime(updatedMs, locale)}</span>
        <span>{words.conversations.turns(turns)}</span>
        {(isLive || isHere) && (
          <span class="row-live">{isHere ? words.conversations.here : words.conversations.live}</span>
        )}
      </span>
    </button>
  );
}

function Marked({ text, query }: { text: string; query: string }) {
  return (
    <>{mark(text, query).map((part, i) => (part.isFound ? <mark key={i}>{part.text}</mark> : part.text))}</>
  );
}

interface BelowProps extends RowProps {
  isHere: boolean;
  mode: Mode;
  setMode(mode: Mode): void;
  tryTo(act: () => Promise<void>): void;
}

function Below(props: BelowProps) {
  const { each, isShown, isHere, question, mode, setMode, tryTo, remove, resume } = props;
  const { removeAsk, removeSure, cancel } = words.conversations;
  const back = () => setMode("plain");
  if (mode === "removing") {
    return <Confirm ask={removeAsk} sure={removeSure} not={cancel} act={() => tryTo(remove)} cancel={back} />;
  }
  if (mode === "leaving-show" || mode === "leaving-resume") return <Leaving {...props} cancel={back} />;
  const goOn = () => (question && !isShown ? setMode("leaving-resume") : tryTo(resume));
  return (
    <>
      {each.isLive && !isHere && <p class="field-note">{words.conversations.takesOver}</p>}
      <div class="row-actions">
        {!isHere && (
          <button type="button" class="small-button" onClick={goOn}>
            <Icon name="microphone" />
            {words.conversations.resume}
          </button>
        )}
        <button type="button" class="small-button quiet" onClick={() => setMode("renaming")}>
          {words.conversations.rename}
        </button>
        <button type="button" class="small-button quiet danger" onClick={() => setMode("removing")}>
          {words.conversations.remove}
        </button>
      </div>
    </>
  );
}

/** A talk that is kept can be gone on with, so that only opening another over it is asked about. */
function Leaving({ question, mode, tryTo, show, resume, cancel }: BelowProps & { cancel(): void }) {
  const { leaveAsk, leave, stay } = words.conversations;
  const [sure, act] = mode === "leaving-resume" ? [leave.resume, resume] : [leave.show, show];
  return (
    <Confirm
      ask={question ?? leaveAsk.kept}
      sure={sure}
      not={stay}
      isHarmless={!question}
      act={() => tryTo(act)}
      cancel={cancel}
    />
  );
}

function explain(error: unknown): string {
  const { kind, message } = troubleOf(error);
  if (kind === "gone") return words.conversations.gone;
  return (kind === "away" && words.conversations.away.title) || message || words.conversations.failed;
}
