/** What is being changed: shown at once, and handed on at once or, while somebody types, a moment later. */

import type { DeviceSettings, Settings, Talk } from "duologue-client";
import { useEffect, useReducer, useRef } from "preact/hooks";
import type { OwnSettings } from "../use-settings";

const TYPING_MS = 400;

export interface Draft {
  settings: Settings;
  devices: DeviceSettings;
  /** `isTyping`: more of the same is likely to follow. */
  set(change: Partial<Settings>, isTyping?: boolean): void;
  setDevices(change: Partial<DeviceSettings>, isTyping?: boolean): void;
}

interface Pending {
  settings: Partial<Settings>;
  devices: Partial<DeviceSettings>;
  timer: ReturnType<typeof setTimeout> | undefined;
}

export function useDraft(talk: Talk, own: OwnSettings): Draft {
  const [, render] = useReducer((count: number) => count + 1, 0);
  const pending = useRef<Pending>({ settings: {}, devices: {}, timer: undefined });
  const current = () => ({
    settings: changed(own.now, pending.current.settings),
    devices: changed(talk.devices, pending.current.devices),
  });
  const flush = () => {
    const { timer, settings, devices } = pending.current;
    clearTimeout(timer);
    if (Object.keys({ ...settings, ...devices }).length === 0) return;
    const whole = current();
    pending.current = { settings: {}, devices: {}, timer: undefined };
    if (whole.settings !== own.now) own.choose(whole.settings);
    if (whole.devices !== talk.devices) talk.useDevices(whole.devices);
    render(undefined as never);
  };
  const note = (settings: Partial<Settings>, devices: Partial<DeviceSettings>, isTyping: boolean) => {
    const before = pending.current;
    clearTimeout(before.timer);
    pending.current = {
      settings: { ...before.settings, ...settings },
      devices: { ...before.devices, ...devices },
      timer: isTyping ? setTimeout(() => latest.current(), TYPING_MS) : undefined,
    };
    if (isTyping) render(undefined as never);
    else flush();
  };
  const latest = useRef(flush);
  latest.current = flush;
  useEffect(() => () => latest.current(), []);
  return {
    ...current(),
    set: (change, isTyping = false) => note(change, {}, isTyping),
    setDevices: (change, isTyping = false) => note({}, change, isTyping),
  };
}

/** What was not changed stays the same object. */
function changed<T extends object>(whole: T, change: Partial<T>): T {
  return Object.keys(change).length > 0 ? { ...whole, ...change } : whole;
}
