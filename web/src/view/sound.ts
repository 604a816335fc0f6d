/** Plays how an entry sounded, where the server keeps that; one at a time. */

import { KeptConversations, KeyRing, type Talk } from "duologue-client";
import { useEffect, useState } from "preact/hooks";

/** TypeScript's DOM library does not know it of contexts. */
interface Routed {
  setSinkId?(deviceId: string): Promise<void>;
}

interface Playing {
  id: string;
  context: AudioContext;
}

let playing: Playing | null = null;
const watchers = new Set<() => void>();

/** Whether the entry sounds just now; `toggle`, within a user's gesture, plays or stops it. */
export function useSound(id: string, talk: Talk): { isPlaying: boolean; toggle(): void } {
  const [isPlaying, setPlaying] = useState(playing?.id === id);
  useEffect(() => {
    const watcher = () => setPlaying(playing?.id === id);
    watchers.add(watcher);
    watcher();
    return () => watchers.delete(watcher);
  }, [id]);
  return { isPlaying, toggle: () => (playing?.id === id ? stop() : void play(id, talk)) };
}

async function play(id: string, talk: Talk): Promise<void> {
  const { conversationId } = talk.state;
  if (conversationId === null) return;
  stop();
  const mine = { id, context: new AudioContext() };
  change(mine);
  try {
    // The key lies where the page has put it.
    const kept = new KeptConversations(document.baseURI, () => new KeyRing().key);
    const sound = await mine.context.decodeAudioData(await kept.sound(conversationId, id));
    await (mine.context as Routed).setSinkId?.(talk.devices.speakerId ?? "").catch(() => {});
    if (playing === mine) begin(mine, sound, talk.devices.volume);
  } catch {
    // It was deleted meanwhile, or the server is away: there is nothing to hear.
    end(mine);
  }
}

function begin(mine: Playing, sound: AudioBuffer, volume: number): void {
  const { context } = mine;
  const source = new AudioBufferSourceNode(context, { buffer: sound });
  source.connect(new GainNode(context, { gain: volume })).connect(context.destination);
  source.onended = () => end(mine);
  source.start();
}

function stop(): void {
  if (playing) end(playing);
}

function end(mine: Playing): void {
  if (mine.context.state !== "closed") void mine.context.close();
  if (playing === mine) change(null);
}

function change(now: Playing | null): void {
  playing = now;
  for (const watcher of watchers) watcher();
}
