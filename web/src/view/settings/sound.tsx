/** What concerns this device: microphone, speaker, volume, push-to-talk, tones. */

import { useState } from "preact/hooks";
import { words } from "../../words";
import { locale } from "../conversations/reader";
import { Section, Select, Slider, Switch } from "./controls";
import { MicrophoneTest } from "./microphone-test";
import type { SoundDevice } from "./sound-devices";
import type { Draft } from "./use-draft";
import { useSoundDevices } from "./use-sound-devices";

export function SoundSection({ draft }: { draft: Draft }) {
  const { sound, volume, pushToTalk, pushToTalkHint, tones, tonesHint } = words.settings;
  const { devices, setDevices } = draft;
  const percent = new Intl.NumberFormat(locale, { style: "percent" });
  return (
    <Section title={sound}>
      <Devices draft={draft} />
      <Slider
        label={volume}
        value={devices.volume}
        least={0}
        most={1}
        step={0.05}
        shown={percent.format(devices.volume)}
        set={(value) => setDevices({ volume: value })}
      />
      <Switch
        label={pushToTalk}
        hint={pushToTalkHint}
        isOn={devices.isPushToTalk}
        set={(isOn) => setDevices({ isPushToTalk: isOn })}
      />
      <Switch
        label={tones}
        hint={tonesHint}
        isOn={devices.hasTones}
        set={(isOn) => setDevices({ hasTones: isOn })}
      />
    </Section>
  );
}

function Devices({ draft }: { draft: Draft }) {
  const { microphone, speaker, noSpeakers, namesHint, noDevices } = words.settings;
  const { microphoneId, speakerId } = draft.devices;
  const [allowed, setAllowed] = useState(0);
  const found = useSoundDevices(allowed);
  if (!found) return <p class="field-note">{noDevices}</p>;
  const canChooseSpeaker = "setSinkId" in AudioContext.prototype;
  return (
    <>
      <DeviceSelect
        label={microphone}
        value={microphoneId}
        devices={found.microphones}
        {...(found.hasNames ? {} : { hint: namesHint })}
        set={(id) => draft.setDevices({ microphoneId: id })}
      />
      <MicrophoneTest microphoneId={microphoneId} allowed={() => setAllowed((count) => count + 1)} />
      {canChooseSpeaker ? (
        <DeviceSelect
          label={speaker}
          value={speakerId}
          devices={found.speakers}
          set={(id) => draft.setDevices({ speakerId: id })}
        />
      ) : (
        <p class="field-note">{noSpeakers}</p>
      )}
    </>
  );
}

interface DeviceProps {
  label: string;
  value: string | null;
  devices: readonly SoundDevice[];
  hint?: string;
  set(id: string | null): void;
}

function DeviceSelect({ label, value, devices, set, ...rest }: DeviceProps) {
  const { standardDevice, awayDevice, nameless } = words.settings;
  const isHere = devices.some(({ id }) => id === value);
  return (
    <Select label={label} value={value ?? ""} set={set} {...rest}>
      <option value="">{standardDevice}</option>
      {devices.map((device, i) => (
        <option key={device.id} value={device.id}>
          {device.label || nameless(i + 1)}
        </option>
      ))}
      {value && !isHere && <option value={value}>{awayDevice}</option>}
    </Select>
  );
}
