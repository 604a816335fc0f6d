/** The operator's page: how the server does, and for whom. */

import { useEffect, useReducer } from "preact/hooks";
import { KeyForm } from "../view/key-form";
import { words } from "../words";
import { Engines } from "./engines";
import { duration } from "./numbers";
import { AdmissionPanel, PressurePanel, Sessions, Stages, StartUp, TurnTakingPanel } from "./panels";
import type { Poll, View } from "./poll";
import { Tiles } from "./tiles";
import type { OpsState } from "./wire";

export function OpsPage({ poll }: { poll: Poll }) {
  const { state, samples, trouble } = usePoll(poll);
  return (
    <main>
      <header>
        <h1>
          <a href="../">{words.name}</a> <span>{words.ops.title}</span>
        </h1>
        {state && <Status state={state} />}
        <a class="to-talk" href="../">
          {words.ops.talk}
        </a>
      </header>
      <div role="alert">{trouble && <Trouble trouble={trouble} hasState={state !== null} />}</div>
      {state && !isWell(state) && <p class="hint complaint">{state.message}</p>}
      {trouble?.kind.startsWith("key-") && <KeyForm unlock={(key) => poll.unlock(key)} />}
      {state && (
        <div class={trouble ? "panels stale" : "panels"}>
          <Tiles state={state} samples={samples} />
          <Sessions sessions={state.sessions} />
          <Stages stages={state.stages} />
          <TurnTakingPanel turns={state.turn_taking} />
          <AdmissionPanel admission={state.admission} load={state.load} />
          <PressurePanel load={state.load} shed={state.shed} />
          <Engines engines={state.engines} unhealthy={state.unhealthy} />
          <StartUp engines={state.warm_up} />
        </div>
      )}
    </main>
  );
}

function isWell({ status }: OpsState): boolean {
  return status === "ready" || status === "full";
}

function Status({ state }: { state: OpsState }) {
  return (
    <div class="status">
      <p class={isWell(state) ? "word" : "word warning"}>{words.ops.status[state.status]}</p>
      <p>{state.profile}</p>
      <p>{words.ops.up(duration(state.up_s))}</p>
    </div>
  );
}

function Trouble({ trouble, hasState }: { trouble: NonNullable<View["trouble"]>; hasState: boolean }) {
  return (
    <div class="trouble">
      <p class="title">{words.ops.troubles[trouble.kind]}</p>
      {trouble.detail && <p class="hint">{trouble.detail}</p>}
      {trouble.kind === "away" && <p class="hint">{hasState ? words.ops.lastSaid : words.ops.askedAgain}</p>}
    </div>
  );
}

function usePoll(poll: Poll): View {
  const [, render] = useReducer((count: number) => count + 1, 0);
  useEffect(() => poll.watch(() => render(undefined as never)), [poll]);
  return poll.view;
}
