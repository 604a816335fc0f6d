/** Who the assistant is: persona, instructions, model. */

import type { Offer, Persona } from "duologue-client";
import { useId, useState } from "preact/hooks";
import { words } from "../../words";
import { Section, Select } from "./controls";
import { choose, chosen, isChanged, partOf, typedInstructions } from "./personas";
import type { Draft } from "./use-draft";

interface PartProps {
  draft: Draft;
  offer: Offer;
}

export function AssistantSection({ draft, offer }: { draft: Draft; offer: Offer | null }) {
  if (!offer) {
    return (
      <Section title={words.settings.assistant}>
        <Instructions draft={draft} own="" persona={null} />
      </Section>
    );
  }
  const persona = chosen(draft.settings, offer.personas);
  return (
    <Section title={words.settings.assistant}>
      {offer.personas.length > 0 && <Personas draft={draft} offer={offer} />}
      <Instructions draft={draft} own={offer.instructions} persona={persona} />
      {offer.models.length > 1 && <Model draft={draft} offer={offer} />}
    </Section>
  );
}

function Personas({ draft, offer }: PartProps) {
  const id = useId();
  const { persona: legend, personaHint, ownPersona, ownPersonaHint } = words.settings;
  const now = chosen(draft.settings, offer.personas);
  const hasChanged = isChanged(draft.settings, now, offer.voices);
  const cards: { persona: Persona | null; name: string; description: string }[] = [
    { persona: null, name: ownPersona, description: ownPersonaHint },
    ...offer.personas.map((each) => ({ persona: each, name: each.name, description: each.description })),
  ];
  return (
    <fieldset class="personas" aria-describedby={`${id}-hint`}>
      <legend>{legend}</legend>
      <div class="personas-cards">
        {cards.map(({ persona, name, description }) => (
          <label key={persona?.id ?? ""}>
            <input
              type="radio"
              name={id}
              checked={persona === now}
              onChange={() => draft.set(choose(persona, offer.voices))}
            />
            <span class="persona-name">
              {name}
              {persona === now && hasChanged && (
                <span class="persona-changed">{` ${words.settings.changed}`}</span>
              )}
            </span>
            <span class="persona-about">{description}</span>
          </label>
        ))}
      </div>
      <p id={`${id}-hint`} class="field-note">
        {personaHint}
      </p>
    </fieldset>
  );
}

interface InstructionsProps {
  draft: Draft;
  /** The server's. */
  own: string;
  persona: Persona | null;
}

const LONGEST = 8000;

function Instructions({ draft, own, persona }: InstructionsProps) {
  const id = useId();
  const text = draft.settings.instructions ?? own;
  const [typed, setTyped] = useState(text);
  // An emptied field stays empty while it is written in: only leaving it shows what holds.
  const [isWriting, setWriting] = useState(false);
  const first = partOf(persona, []).instructions;
  const write = (value: string) => {
    setTyped(value);
    draft.set({ instructions: typedInstructions(value, own) }, true);
  };
  return (
    <div class="field">
      <label for={id}>{words.settings.instructions}</label>
      <textarea
        id={id}
        class="field-box"
        rows={5}
        maxLength={LONGEST}
        value={isWriting ? typed : text}
        aria-describedby={`${id}-hint`}
        onFocus={() => {
          setTyped(text);
          setWriting(true);
        }}
        onBlur={() => setWriting(false)}
        onInput={(event) => write(event.currentTarget.value)}
      />
      <div class="field-below">
        <p id={`${id}-hint`} class="field-note">
          {words.settings.instructionsHint}
        </p>
        {draft.settings.instructions !== first && (
          <button type="button" class="small-button quiet" onClick={() => draft.set({ instructions: first })}>
            {persona ? words.settings.resetToPersona : words.settings.resetInstructions}
          </button>
        )}
      </div>
    </div>
  );
}

function Model({ draft, offer }: PartProps) {
  const { model, serverChoiceOf, notOffered } = words.settings;
  const now = draft.settings.model;
  const [own, ...others] = offer.models;
  return (
    <Select label={model} value={now ?? ""} set={(id) => draft.set({ model: id })}>
      <option value="">{serverChoiceOf(own ?? "")}</option>
      {others.map((id) => (
        <option key={id} value={id}>
          {id}
        </option>
      ))}
      {now && !others.includes(now) && <option value={now}>{now === own ? now : notOffered(now)}</option>}
    </Select>
  );
}
