// @openai/agents-realtime in a page, over both of its transports. `secret`: a client secret, as a page is given one.
// Each talk -> the lines that it says of itself and all that the server sent.

import { OpenAIRealtimeWebRTC, OpenAIRealtimeWebSocket } from "@openai/agents-realtime";
import { converse, converseOverWebSocket, sessionOver } from "./agent.mjs";
import { check } from "./talk.mjs";

const SPEECH = "/speech.pcm";
const RATE_HZ = 24_000;
// What is on its way to the loudspeaker when an answer is cut: the browser's own buffer.
const DRAINED_MS = 300;
const LISTEN_MS = 200;
// Of a tone at 0.3 in LISTEN_MS there would be a thousand times as much.
const SILENT_ENERGY = 1e-5;

window.talks = { websocket, webrtc };
const speech = new Uint8Array(await (await fetch(SPEECH)).arrayBuffer());
window.isReady = true;

function recorded(session) {
  const lines = [];
  const frames = [];
  session.transport.on("*", (event) => frames.push(event));
  return { lines, frames, say: (line) => lines.push(line) };
}

async function websocket(url, secret) {
  const address = `${url.replace("http", "ws")}/v1/realtime?model=gpt-realtime`;
  const { session, events } = sessionOver(new OpenAIRealtimeWebSocket({ url: address }));
  const { lines, frames, say } = recorded(session);
  await session.connect({ apiKey: secret });
  await converseOverWebSocket({ session, events, speech, say });
  session.close();
  return { lines, frames };
}

async function webrtc(url, secret) {
  const microphone = new Microphone(speech);
  const audioElement = document.createElement("audio");
  const { mediaStream } = microphone;
  const transport = new OpenAIRealtimeWebRTC({ baseUrl: `${url}/v1/realtime/calls`, mediaStream, audioElement });
  const { session, events } = sessionOver(transport);
  const { lines, frames, say } = recorded(session);
  await session.connect({ apiKey: secret });
  check(transport.callId?.startsWith("rtc_"), `the call's id is ${transport.callId}`);
  const energy = () => soundEnergy(transport.connectionState.peerConnection);
  const isCut = async () => {
    await events.until("output_audio_buffer.cleared");
    check((await energy()) > SILENT_ENERGY, "nothing was heard");
    await pause(DRAINED_MS);
    const before = await energy();
    await pause(LISTEN_MS);
    const heard = (await energy()) - before;
    check(heard < SILENT_ENERGY, `still heard after the interruption: ${heard}`);
  };
  await converse({ session, events, user: microphone, heard: "output_audio_buffer.started", isCut, say });
  session.close();
  return { lines, frames };
}

/** What the page speaks into: silence, and `speech` from when it begins. */
class Microphone {
  #context = new AudioContext({ sampleRate: RATE_HZ });
  #destination = this.#context.createMediaStreamDestination();
  #sound;
  #isOver = Promise.resolve();

  constructor(pcm) {
    const samples = Float32Array.from(new Int16Array(pcm.buffer), (sample) => sample / 32_768);
    this.#sound = this.#context.createBuffer(1, samples.length, RATE_HZ);
    this.#sound.copyToChannel(samples, 0);
    const silence = this.#context.createConstantSource();
    silence.offset.value = 0;
    silence.connect(this.#destination);
    silence.start();
  }

  get mediaStream() {
    return this.#destination.stream;
  }

  async begins() {
    const source = this.#context.createBufferSource();
    source.buffer = this.#sound;
    source.connect(this.#destination);
    this.#isOver = new Promise((resolve) => source.addEventListener("ended", resolve));
    source.start();
  }

  ends() {
    return this.#isOver;
  }
}

/** What has been heard of the other side so far, in its own measure. */
async function soundEnergy(connection) {
  for (const report of (await connection.getStats()).values()) {
    if (report.type === "inbound-rtp" && report.kind === "audio") return report.totalAudioEnergy ?? 0;
  }
  return 0;
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
