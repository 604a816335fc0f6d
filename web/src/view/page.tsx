/** The whole page: the talk in the middle, and beside it what was opened. */

import {
  type ConversationState,
  isAboutKey,
  type KeptConversations,
  type KeyRing,
  type Offer,
  phaseOf,
  type Talk,
} from "duologue-client";
import { useCallback, useEffect, useReducer, useState } from "preact/hooks";
import { words } from "../words";
import { useBack } from "./back";
import { ConversationsPanel } from "./conversations/panel";
import { DeveloperPanel } from "./developer/panel";
import { Dock } from "./dock";
import { Header, type PanelName } from "./header";
import { useKeys } from "./keys";
import { Menu } from "./menu";
import { Panel, useIsWide } from "./panel";
import type { Look, Prefs } from "./prefs";
import { SettingsPanel } from "./settings/panel";
import { Status } from "./status";
import { applyTheme } from "./theme";
import { TimingPanel } from "./timing/panel";
import { Transcript } from "./transcript";
import { dependsOnOffer, useOwnSettings } from "./use-settings";
import { announcementOf, isUnderWay, titleOf } from "./words";

export interface PageProps {
  talk: Talk;
  kept: KeptConversations;
  keys: KeyRing;
  /** The address that the server is found under. */
  base: string;
  prefs: Prefs;
  /** Null where the server does not tell. */
  loadOffer(): Promise<Offer | null>;
  opened?: PanelName;
}

export function Page({ talk, kept, keys, base, prefs, loadOffer, opened }: PageProps) {
  const state = useTalk(talk);
  const [panel, setPanel] = useState<PanelName | null>(opened ?? null);
  const [look, setLook] = useLook(prefs);
  const isOffered = panel !== null || state.isKept || dependsOnOffer(talk.settings);
  const offer = useOffer(loadOffer, isOffered, state.link);
  const own = useOwnSettings(talk, prefs, offer);
  const close = useCallback(() => setPanel(null), []);
  const toggle = useCallback((name: PanelName) => setPanel((now) => (now === name ? null : name)), []);
  const isBehind = !useIsWide() && panel !== null;
  const hasWords = state.entries.some((entry) => entry.text || entry.tool);
  const isDocked = hasWords || isUnderWay(state) || (state.trouble !== null && !isAboutKey(state.trouble));
  useBack(isBehind, close);
  useKeys(talk, panel ? close : null);
  useTitle(titleOf(state));
  return (
    <div class="app">
      <Header panel={panel} toggle={toggle} isBehind={isBehind}>
        {hasWords && <Menu talk={talk} kept={kept} state={state} look={look} setLook={setLook} />}
      </Header>
      <main
        data-state={phaseOf(state)}
        class={`${isDocked ? "docked" : "welcome"} ${hasWords ? "worded" : "wordless"}`}
        inert={isBehind}
      >
        <Status state={state} offer={offer} openTiming={() => setPanel("timing")} />
        {hasWords && <Transcript talk={talk} state={state} hasTimes={look.hasTimes} />}
        <Dock talk={talk} state={state} />
        <p class="aside" role="status">
          {announcementOf(state)}
        </p>
      </main>
      {panel && (
        <Panel
          key={panel}
          id={panel}
          title={words.panels[panel]}
          side={panel === "conversations" ? "left" : "right"}
          close={close}
        >
          {panel === "conversations" && (
            <ConversationsPanel
              talk={talk}
              kept={kept}
              offer={offer}
              close={close}
              unlock={(key) => keys.keep(key)}
            />
          )}
          {panel === "timing" && <TimingPanel timings={state.timings} entries={state.entries} />}
          {panel === "settings" && (
            <SettingsPanel
              talk={talk}
              offer={offer}
              own={own}
              base={base}
              keys={keys}
              theme={look.theme}
              setTheme={(theme) => setLook({ ...look, theme })}
            />
          )}
          {panel === "developer" && <DeveloperPanel log={talk.log} base={base} />}
        </Panel>
      )}
    </div>
  );
}

function useTalk(talk: Talk): ConversationState {
  const [, render] = useReducer((count: number) => count + 1, 0);
  useEffect(() => talk.watch(() => render(undefined as never)), [talk]);
  return talk.state;
}

/**
 * Asked for once it is wanted or a talk is under way; and where it was not told, at the next change: by then a key may
 * have been given, or the models be there.
 */
function useOffer(
  load: () => Promise<Offer | null>,
  isWanted: boolean,
  link: ConversationState["link"],
): Offer | null {
  const [offer, setOffer] = useState<Offer | null>(null);
  useEffect(() => {
    if ((isWanted || link === "open") && !offer) void load().then(setOffer);
  }, [load, isWanted, link, offer]);
  return offer;
}

function useLook(prefs: Prefs): [Look, (look: Look) => void] {
  const [look, setLook] = useState(prefs.look);
  const choose = (next: Look) => {
    prefs.look = next;
    applyTheme(next.theme);
    setLook(next);
  };
  return [look, choose];
}

function useTitle(title: string): void {
  useEffect(() => {
    document.title = title;
  }, [title]);
}
