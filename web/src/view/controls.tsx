/** What can be done in a talk: mute, or hold to be heard; how loud the voice is; end. */

import type { ConversationState, Talk } from "duologue-client";
import { words } from "../words";
import { Hold } from "./hold";
import { Icon } from "./icons";
import { Popover } from "./popover";

export function Controls({ talk, state }: { talk: Talk; state: ConversationState }) {
  const { hasMicrophone, isMuted, isPushToTalk } = state;
  return (
    <div class="actions controls">
      {hasMicrophone && isPushToTalk && <Hold talk={talk} isHeld={!isMuted} />}
      {hasMicrophone && !isPushToTalk && (
        <button
          type="button"
          class={isMuted ? "control mute on" : "control mute"}
          aria-keyshortcuts="M"
          title="M"
          onClick={() => talk.setMuted(!isMuted)}
        >
          <Icon name={isMuted ? "muted" : "microphone"} />
          <span>{isMuted ? words.actions.unmute : words.actions.mute}</span>
        </button>
      )}
      <Volume talk={talk} />
      <button type="button" class="talk under-way" aria-keyshortcuts="Escape" onClick={() => talk.end()}>
        {words.actions.end}
      </button>
    </div>
  );
}

function Volume({ talk }: { talk: Talk }) {
  const { volume } = talk.devices;
  return (
    <Popover label={words.actions.volume} icon={volume > 0 ? "volume" : "silent"} class="upward">
      {() => (
        <label class="volume">
          <span>{words.actions.voiceVolume}</span>
          <input
            type="range"
            min="0"
            max="100"
            step="5"
            defaultValue={Math.round(volume * 100)}
            onInput={({ currentTarget }) =>
              talk.useDevices({ ...talk.devices, volume: Number(currentTarget.value) / 100 })
            }
          />
        </label>
      )}
    </Popover>
  );
}
