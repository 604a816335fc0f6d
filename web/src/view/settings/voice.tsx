/** How the assistant sounds, and what the person speaks. */

import type { KeyRing, Offer } from "duologue-client";
import { useEffect, useRef, useState } from "preact/hooks";
import { words } from "../../words";
import { locale } from "../conversations/reader";
import { isUnderstood } from "../use-settings";
import { Section, Select, Slider } from "./controls";
import { languageChoice, languageName, sampleText, voiceGroups } from "./languages";
import { playSample, type Sample, SampleTrouble } from "./sample";
import type { Draft } from "./use-draft";

interface VoiceProps {
  draft: Draft;
  offer: Offer | null;
  base: string;
  keys: KeyRing;
}

// What every engine can do.
const USUAL_SPEED = { least: 0.5, most: 1.5 };

export function VoiceSection({ draft, offer, base, keys }: VoiceProps) {
  const { voiceAndLanguage, speed, times } = words.settings;
  const { least, most } = offer?.speed ?? USUAL_SPEED;
  const factor = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
  return (
    <Section title={voiceAndLanguage}>
      {offer && <Voice draft={draft} offer={offer} base={base} keys={keys} />}
      {least < most && (
        <Slider
          label={speed}
          value={draft.settings.speed}
          least={least}
          most={most}
          step={0.05}
          shown={times(factor.format(draft.settings.speed))}
          set={(value) => draft.set({ speed: value }, true)}
        />
      )}
      <Language draft={draft} offer={offer} />
    </Section>
  );
}

function Voice({ draft, offer, base, keys }: VoiceProps & { offer: Offer }) {
  const { voice, voiceHint, voicesAny, serverChoiceOf, notOffered } = words.settings;
  const now = draft.settings.voice;
  const ownLanguage = draft.settings.language ?? locale;
  const groups = voiceGroups(offer.voices, ownLanguage, locale);
  const isKnown = offer.voices.some(({ id }) => id === now);
  return (
    <Select
      label={voice}
      value={now ?? ""}
      hint={voiceHint}
      set={(id) => draft.set({ voice: id })}
      aside={<Listen draft={draft} offer={offer} base={base} keys={keys} />}
    >
      <option value="">{serverChoiceOf(offer.voice)}</option>
      {groups.map(({ language, name, voices }) => (
        <optgroup key={language ?? ""} label={name ?? voicesAny}>
          {voices.map(({ id }) => (
            <option key={id} value={id}>
              {id}
            </option>
          ))}
        </optgroup>
      ))}
      {now && !isKnown && <option value={now}>{notOffered(now)}</option>}
    </Select>
  );
}

type Stage = "still" | "loading" | "playing";

function Listen({ draft, offer, base, keys }: VoiceProps & { offer: Offer }) {
  const [stage, setStage] = useState<Stage>("still");
  const [failure, setFailure] = useState<string | null>(null);
  const sample = useRef<Sample | null>(null);
  useEffect(() => () => sample.current?.stop(), []);
  const wanted = draft.settings.voice;
  const id = wanted && offer.voices.some((each) => each.id === wanted) ? wanted : offer.voice;
  // Another voice ends the sample of the one before.
  useEffect(() => sample.current?.stop(), [id]);
  const play = () => {
    setFailure(null);
    setStage("loading");
    const language = offer.voices.find((each) => each.id === id)?.language ?? draft.settings.language;
    const request = { text: sampleText(language), voice: id, speed: draft.settings.speed };
    const { volume, speakerId } = draft.devices;
    const started = () => setStage("playing");
    const mine = playSample(request, { base, key: keys.key, volume, speakerId, started });
    sample.current = mine;
    mine.over
      .catch((error) => setFailure(explain(error)))
      .finally(() => sample.current === mine && setStage("still"));
  };
  const { listen, stop, sampleLoading, sampleOf } = words.settings;
  const label = { still: listen, loading: sampleLoading, playing: stop }[stage];
  return (
    <>
      <button
        type="button"
        class="small-button"
        aria-label={stage === "still" ? sampleOf(id) : label}
        onClick={stage === "still" ? play : () => sample.current?.stop()}
      >
        {label}
      </button>
      {failure && (
        <p role="alert" class="field-error">
          {failure}
        </p>
      )}
    </>
  );
}

function explain(error: unknown): string {
  const { sampleKey, sampleRefused, sampleFailed } = words.settings;
  if (!(error instanceof SampleTrouble) || error.kind === "broken") return sampleFailed;
  return error.kind === "key" ? sampleKey : `${sampleRefused} ${error.message}`.trim();
}

function Language({ draft, offer }: { draft: Draft; offer: Offer | null }) {
  const { language, languageHint, anyLanguage, onlyLanguage, notOffered } = words.settings;
  const offered = offer?.languages ?? [];
  const now = draft.settings.language;
  const [only] = offered;
  if (offered.length === 1 && only && (now === null || now === only)) {
    return <p class="field-note">{onlyLanguage(languageName(only, locale))}</p>;
  }
  const choice = languageChoice(offered, navigator.languages, now, locale);
  return (
    <Select label={language} value={now ?? ""} hint={languageHint} set={(id) => draft.set({ language: id })}>
      <option value="">{anyLanguage}</option>
      {choice.map(({ id, name }) => (
        <option key={id} value={id}>
          {offer && !isUnderstood(id, offer) ? notOffered(name) : name}
        </option>
      ))}
    </Select>
  );
}
