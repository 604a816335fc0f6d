/** The conversations that the server keeps: found, opened, gone on with, renamed, deleted. */

import type { KeptConversations, Offer, Talk } from "duologue-client";
import { useRef, useState } from "preact/hooks";
import "../../forms.css";
import { words } from "../../words";
import { leaveQuestion } from "../words";
import { Confirm } from "./confirm";
import "./conversations.css";
import { List } from "./list";
import { type Listing, occasion, troubleOf } from "./listing";
import { Closed, Empty, Keeping, TroubleNote } from "./notes";
import { useFocusBack } from "./use-focus-back";
import { type ListingControl, useListing } from "./use-listing";

interface ConversationsProps {
  talk: Talk;
  kept: KeptConversations;
  /** Null: the server did not tell what it offers. */
  offer: Offer | null;
  close(): void;
  /** Keeps a key; the list is then asked for again. */
  unlock(key: string): void;
}

export function ConversationsPanel(props: ConversationsProps) {
  const { talk, offer, close } = props;
  if (offer && !offer.store.isOn) return <Closed />;
  const begin = () => {
    if (talk.state.link !== "idle") talk.end();
    talk.clear();
    close();
  };
  return <Open {...props} begin={begin} />;
}

function Open({ talk, kept, offer, close, unlock, begin }: ConversationsProps & { begin(): void }) {
  const [query, setQuery] = useState("");
  const [hasTried, setTried] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const control = useListing(kept, query.trim(), occasion(talk.state));
  const { listing } = control;
  if (listing.trouble?.kind === "off") return <Closed />;
  const empty = (event: KeyboardEvent) => {
    // First it empties the field; the next one closes the panel.
    if (event.key !== "Escape" || !query) return;
    event.stopPropagation();
    setQuery("");
  };
  const open = (key: string) => {
    unlock(key);
    void control.reload().then(() => setTried(true));
  };
  return (
    <div class="conversations">
      <div class="conversations-head">
        <input
          ref={field}
          type="search"
          class="field-box"
          value={query}
          aria-label={words.conversations.search}
          placeholder={words.conversations.search}
          maxLength={200}
          onInput={(event) => setQuery(event.currentTarget.value)}
          onKeyDown={empty}
        />
        <Fresh question={leaveQuestion(talk.state)} begin={begin} />
      </div>
      {listing.trouble && (
        <TroubleNote trouble={listing.trouble} isKeyRefused={hasTried} retry={control.reload} unlock={open} />
      )}
      <Found listing={listing} />
      <List talk={talk} kept={kept} control={control} close={close} leave={() => field.current?.focus()} />
      {listing.isLoaded && !listing.trouble && listing.list.length === 0 && !listing.query && <Empty />}
      {listing.hasMore && <More loadMore={control.loadMore} />}
      <footer class="conversations-foot">
        <Keeping offer={offer} />
        {listing.list.length > 0 && !listing.query && (
          <DeleteAll talk={talk} kept={kept} control={control} leave={() => field.current?.focus()} />
        )}
      </footer>
    </div>
  );
}

/** Asks first where words would be lost. */
function Fresh({ question, begin }: { question: string | null; begin(): void }) {
  const [isAsking, setAsking] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  useFocusBack(isAsking, button);
  const { fresh, leave, stay } = words.conversations;
  if (isAsking && question) {
    return (
      <Confirm ask={question} sure={leave.fresh} not={stay} act={begin} cancel={() => setAsking(false)} />
    );
  }
  return (
    <button
      ref={button}
      type="button"
      class="small-button"
      onClick={() => (question ? setAsking(true) : begin())}
    >
      {fresh}
    </button>
  );
}

/** Read out when a search is done; seen where nothing was found. */
function Found({ listing }: { listing: Listing }) {
  const { query, list, hasMore, isLoaded } = listing;
  const isNothing = isLoaded && list.length === 0;
  const line = isNothing
    ? words.conversations.nothingFound(query)
    : words.conversations.found(list.length, hasMore);
  return (
    <div role="status">
      {query && <p class={isNothing ? "conversations-none" : "aside"}>{line}</p>}
      {!isLoaded && <p class="conversations-loading">{words.conversations.loading}</p>}
    </div>
  );
}

function More({ loadMore }: { loadMore(): Promise<void> }) {
  const [isBusy, setBusy] = useState(false);
  const press = () => {
    setBusy(true);
    void loadMore().finally(() => setBusy(false));
  };
  return (
    <button
      type="button"
      class="small-button quiet"
      aria-disabled={isBusy}
      onClick={isBusy ? () => {} : press}
    >
      {words.conversations.more}
    </button>
  );
}

interface DeleteAllProps {
  talk: Talk;
  kept: KeptConversations;
  control: ListingControl;
  /** Where the focus goes when there is nothing left. */
  leave(): void;
}

function DeleteAll({ talk, kept, control, leave }: DeleteAllProps) {
  const [isAsking, setAsking] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  useFocusBack(isAsking, button);
  const act = () => {
    setAsking(false);
    setFailure(null);
    if (talk.state.isKept) {
      if (talk.state.link !== "idle") talk.end();
      talk.clear();
    }
    kept.removeAll().then(
      () => {
        control.removed(null);
        leave();
      },
      (error) => setFailure(troubleOf(error).message || words.conversations.failed),
    );
  };
  if (isAsking) {
    return (
      <Confirm
        ask={words.conversations.removeAllAsk}
        sure={words.conversations.removeAllSure}
        not={words.conversations.cancel}
        act={act}
        cancel={() => setAsking(false)}
      />
    );
  }
  return (
    <>
      <button ref={button} type="button" class="small-button quiet danger" onClick={() => setAsking(true)}>
        {words.conversations.removeAll}
      </button>
      {failure && (
        <p role="alert" class="field-error">
          {failure}
        </p>
      )}
    </>
  );
}
