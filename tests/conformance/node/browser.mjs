// @openai/agents-realtime in a page, over both of its transports. `secret`: a client secret, as a page is given one.
// Each talk -> the lines that it says of itself and all that the server sent.

import { OpenAIRealtimeWebRTC, OpenAIRealtimeWebSocket } from "@openai/agents-realtime";
import { converse, converseOverWebSocket, sessionOver } from "./agent.mjs";
import { check } from "./talk.mjs";

const SPEECH = "/speech.pcm";
const RATE_HZ = 24_000;
// An answer that is cut is silent within so long, what the browser has buffered included; the user still speaks then.
const SILENT_WITHIN_MS = 1_000;
const LISTEN_MS = 100;
// A hundredth of what the scripted voice has in LISTEN_MS.
const SILENT_ENERGY = 5e-5;

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
  const heardIn = async (ms) => {
    const before = await energy();
    await new Promise((resolve) => setTimeout(resolve, ms));
    return (await energy()) - before;
  };
  const isCut = async () => {
    await events.until("output_audio_buffer.cleared");
    check((await energy()) > SILENT_ENERGY, "nothing was heard");
    const deadline = performance.now() + SILENT_WITHIN_MS;
    while ((await heardIn(LISTEN_MS)) > SILENT_ENERGY) {
      check(performance.now() < deadline, "the answer is heard on after the interruption");
    }
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
