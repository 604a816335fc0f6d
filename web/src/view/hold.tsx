/** Push-to-talk: heard while it is pressed. */

import type { Talk } from "duologue-client";
import { words } from "../words";
import { Icon } from "./icons";

interface HoldProps {
  talk: Talk;
  isHeld: boolean;
  /** The shape itself, for the hand; keyboard and screen reader have the button. */
  isShape?: boolean;
}

export function Hold({ talk, isHeld, isShape = false }: HoldProps) {
  const press = (event: PointerEvent) => {
    if (event.button !== 0) return;
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    talk.hold(true);
  };
  const letGo = () => talk.hold(false);
  const events = {
    onPointerDown: press,
    onPointerUp: letGo,
    onPointerCancel: letGo,
    // A long press on a phone would open a menu.
    onContextMenu: (event: Event) => event.preventDefault(),
  };
  if (isShape) return <div class="hold-shape" aria-hidden="true" {...events} />;
  return (
    <button
      type="button"
      class="control hold"
      aria-pressed={isHeld}
      aria-keyshortcuts="Space"
      {...events}
      onKeyDown={(event) => {
        if (event.key !== " " && event.key !== "Enter") return;
        event.preventDefault();
        if (!event.repeat) talk.hold(true);
      }}
      onKeyUp={(event) => (event.key === " " || event.key === "Enter") && letGo()}
      onBlur={() => isHeld && letGo()}
    >
      <Icon name="microphone" />
      <span>{words.actions.hold}</span>
    </button>
  );
}
