/** The microphones and speakers that the browser tells of. */

import { useEffect, useState } from "preact/hooks";
import { type SoundDevices, sortDevices } from "./sound-devices";

/** Null where the browser tells of none: pages without https. `occasion`: they are asked for anew when it changes. */
export function useSoundDevices(occasion: unknown): SoundDevices | null {
  const media: MediaDevices | undefined = navigator.mediaDevices;
  const [devices, setDevices] = useState<SoundDevices>(sortDevices([]));
  useEffect(() => {
    if (!media) return;
    let isGone = false;
    const read = async () => {
      const all = await media.enumerateDevices().catch(() => []);
      if (!isGone) setDevices(sortDevices(all));
    };
    void read();
    media.addEventListener("devicechange", read);
    return () => {
      isGone = true;
      media.removeEventListener("devicechange", read);
    };
  }, [media, occasion]);
  return media ? devices : null;
}
