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
  isExpanded: boolean;
  expand(isOpen: boolean): void;
  show(): Promise<void>;
  resume(): Promise<void>;
  rename(title: string): Promise<void>;
  remove(): Promise<void>;
}

type Mode = "plain" | "renaming" | "removing" | "leaving";

export function Row(props: RowProps) {
  const { each, isShown, isUnderWay, isExpanded, expand, show } = props;
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
    if (isUnderWay && !isShown) setMode("leaving");
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

function Below({ each, isHere, mode, setMode, tryTo, show, remove, resume }: BelowProps) {
  const { removeAsk, removeSure, cancel, leaveAsk, leave, stay } = words.conversations;
  const back = () => setMode("plain");
  if (mode === "removing") {
    return <Confirm ask={removeAsk} sure={removeSure} not={cancel} act={() => tryTo(remove)} cancel={back} />;
  }
  if (mode === "leaving") {
    return (
      <Confirm ask={leaveAsk} sure={leave} not={stay} isHarmless act={() => tryTo(show)} cancel={back} />
    );
  }
  return (
    <>
      {each.isLive && !isHere && <p class="field-note">{words.conversations.takesOver}</p>}
      <div class="row-actions">
        {!isHere && (
          <button type="button" class="small-button" onClick={() => tryTo(resume)}>
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

function explain(error: unknown): string {
  const { kind, message } = troubleOf(error);
  if (kind === "gone") return words.conversations.gone;
  return (kind === "away" && words.conversations.away.title) || message || words.conversations.failed;
}
