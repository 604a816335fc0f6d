/** When the assistant takes its turn, and whether it lets itself be interrupted. */

import type { Patience } from "duologue-client";
import { words } from "../../words";
import { Section, Segments, Switch } from "./controls";
import type { Draft } from "./use-draft";

const PATIENCES: readonly Patience[] = ["low", "medium", "high"];

export function TurnsSection({ draft }: { draft: Draft }) {
  const { turns, patience, patiences, patienceHints, interruptible, interruptibleHint } = words.settings;
  const now = draft.settings.patience;
  return (
    <Section title={turns}>
      <Segments
        legend={patience}
        choices={PATIENCES.map((value) => ({ value, name: patiences[value] }))}
        value={now}
        hint={patienceHints[now]}
        set={(value) => draft.set({ patience: value })}
      />
      <Switch
        label={interruptible}
        hint={interruptibleHint}
        isOn={draft.settings.isInterruptible}
        set={(isOn) => draft.set({ isInterruptible: isOn })}
      />
    </Section>
  );
}
