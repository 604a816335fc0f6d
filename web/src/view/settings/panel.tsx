/** What a person may set, and what the server offers. */

import { DEFAULT_DEVICES, DEFAULT_SETTINGS, type KeyRing, type Offer, type Talk } from "duologue-client";
import { useRef, useState } from "preact/hooks";
import "../../forms.css";
import { words } from "../../words";
import { Confirm } from "../conversations/confirm";
import { useFocusBack } from "../conversations/use-focus-back";
import type { Theme } from "../prefs";
import type { OwnSettings } from "../use-settings";
import { AssistantSection } from "./assistant";
import { Section, Segments, Switch } from "./controls";
import { Offered } from "./offered";
import "./settings.css";
import { SoundSection } from "./sound";
import { ToolsSection } from "./tools";
import { TurnsSection } from "./turns";
import { type Draft, useDraft } from "./use-draft";
import { VoiceSection } from "./voice";

interface SettingsProps {
  talk: Talk;
  /** Null: the server was not reached, or does not tell. */
  offer: Offer | null;
  own: OwnSettings;
  base: string;
  keys: KeyRing;
  theme: Theme;
  setTheme(theme: Theme): void;
}

export function SettingsPanel({ talk, offer, own, base, keys, theme, setTheme }: SettingsProps) {
  const draft = useDraft(talk, own);
  return (
    <div class="settings">
      <p class="field-note">{words.settings.saved}</p>
      {!offer && (
        <p class="field-note settings-unreached" role="status">
          {words.settings.unreached}
        </p>
      )}
      <AssistantSection draft={draft} offer={offer} />
      <VoiceSection draft={draft} offer={offer} base={base} keys={keys} />
      <TurnsSection draft={draft} />
      <SoundSection draft={draft} />
      <ToolsSection draft={draft} mcp={offer?.mcp ?? "any"} />
      <PageSection theme={theme} setTheme={setTheme} />
      <KeepingSection draft={draft} offer={offer} />
      {offer && <Offered offer={offer} />}
      <ResetAll draft={draft} setTheme={setTheme} />
    </div>
  );
}

const THEMES: readonly Theme[] = ["auto", "light", "dark"];

function PageSection({ theme, setTheme }: { theme: Theme; setTheme(theme: Theme): void }) {
  const { page, theme: legend, themes } = words.settings;
  const choices = THEMES.map((value) => ({ value, name: themes[value] }));
  return (
    <Section title={page}>
      <Segments legend={legend} choices={choices} value={theme} set={setTheme} />
    </Section>
  );
}

function KeepingSection({ draft, offer }: { draft: Draft; offer: Offer | null }) {
  const { keeping, keepingOff, isKept, isKeptHint } = words.settings;
  return (
    <Section title={keeping}>
      {offer && !offer.store.isOn ? (
        <p class="field-note">{keepingOff}</p>
      ) : (
        <Switch
          label={isKept}
          hint={isKeptHint}
          isOn={draft.settings.isKept}
          set={(on) => draft.set({ isKept: on })}
        />
      )}
    </Section>
  );
}

function ResetAll({ draft, setTheme }: { draft: Draft; setTheme(theme: Theme): void }) {
  const [isAsking, setAsking] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  useFocusBack(isAsking, button);
  const { resetAll, resetAsk, resetSure, cancel } = words.settings;
  const act = () => {
    setAsking(false);
    draft.set(DEFAULT_SETTINGS, true);
    draft.setDevices(DEFAULT_DEVICES);
    setTheme("auto");
  };
  return (
    <div class="settings-reset">
      {isAsking ? (
        <Confirm ask={resetAsk} sure={resetSure} not={cancel} act={act} cancel={() => setAsking(false)} />
      ) : (
        <button ref={button} type="button" class="small-button quiet danger" onClick={() => setAsking(true)}>
          {resetAll}
        </button>
      )}
    </div>
  );
}
