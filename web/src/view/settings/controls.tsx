/** The shapes that settings come in, each with its name and description tied to it. */

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface SectionProps {
  title: string;
  children: ComponentChildren;
}

export function Section({ title, children }: SectionProps) {
  const id = useId();
  return (
    <section class="settings-section" aria-labelledby={id}>
      <h3 id={id}>{title}</h3>
      {children}
    </section>
  );
}

interface SwitchProps {
  label: string;
  /** Where the label alone does not tell what is switched. */
  name?: string;
  hint?: string;
  isOn: boolean;
  set(isOn: boolean): void;
}

export function Switch({ label, name, hint, isOn, set }: SwitchProps) {
  const id = useId();
  return (
    <div class="switch">
      <label>
        <span>{label}</span>
        <input
          type="checkbox"
          role="switch"
          checked={isOn}
          aria-checked={isOn}
          aria-label={name}
          aria-describedby={hint && id}
          onChange={(event) => set(event.currentTarget.checked)}
        />
      </label>
      {hint && (
        <p id={id} class="field-note">
          {hint}
        </p>
      )}
    </div>
  );
}

interface SliderProps {
  label: string;
  value: number;
  least: number;
  most: number;
  step: number;
  /** The value in words. */
  shown: string;
  set(value: number): void;
}

export function Slider({ label, value, least, most, step, shown, set }: SliderProps) {
  const id = useId();
  return (
    <div class="slider">
      <label for={id}>{label}</label>
      <output for={id}>{shown}</output>
      <input
        id={id}
        type="range"
        min={least}
        max={most}
        step={step}
        value={value}
        aria-valuetext={shown}
        onInput={(event) => set(event.currentTarget.valueAsNumber)}
      />
    </div>
  );
}

export interface Choice<T extends string> {
  value: T;
  name: string;
}

interface SegmentsProps<T extends string> {
  legend: string;
  choices: readonly Choice<T>[];
  value: T;
  hint?: string;
  set(value: T): void;
}

/** Radio buttons side by side. */
export function Segments<T extends string>({ legend, choices, value, hint, set }: SegmentsProps<T>) {
  const id = useId();
  return (
    <fieldset class="segments" aria-describedby={hint && `${id}-hint`}>
      <legend>{legend}</legend>
      <div class="segments-row">
        {choices.map((choice) => (
          <label key={choice.value}>
            <input
              type="radio"
              name={id}
              checked={choice.value === value}
              onChange={() => set(choice.value)}
            />
            <span>{choice.name}</span>
          </label>
        ))}
      </div>
      {hint && (
        <p id={`${id}-hint`} class="field-note">
          {hint}
        </p>
      )}
    </fieldset>
  );
}

interface SelectProps {
  label: string;
  /** "" for null. */
  value: string;
  hint?: string;
  set(value: string | null): void;
  /** Beside the field. */
  aside?: ComponentChildren;
  /** The options. */
  children: ComponentChildren;
}

export function Select({ label, value, hint, set, aside, children }: SelectProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="field-row">
        <select
          id={id}
          class="field-box"
          value={value}
          aria-describedby={hint && `${id}-hint`}
          onChange={(event) => set(event.currentTarget.value || null)}
        >
          {children}
        </select>
        {aside}
      </div>
      {hint && (
        <p id={`${id}-hint`} class="field-note">
          {hint}
        </p>
      )}
    </div>
  );
}
