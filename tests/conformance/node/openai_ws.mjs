// The official SDK for Node in conversation with a server over TLS: it knows no other way.
//
//     NODE_EXTRA_CA_CERTS=cert.pem node openai_ws.mjs https://127.0.0.1:8710 speech.pcm

import { readFileSync } from "node:fs";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { check, Events, HALF_SECOND, pieces, run, SILENCE } from "./talk.mjs";

const [url, path] = process.argv.slice(2);
const speech = readFileSync(path);
const events = new Events();
const client = new OpenAI({ apiKey: "x", baseURL: `${url}/v1` });
const realtime = new OpenAIRealtimeWS({ model: "gpt-realtime" }, client);
realtime.on("event", (event) => events.push(event));
realtime.on("error", (error) => events.fail(error));

const WEATHER = {
  type: "function",
  name: "get_weather",
  description: "The weather in a city.",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};

function say(sound) {
  for (const piece of pieces(sound)) {
    realtime.send({ type: "input_audio_buffer.append", audio: Buffer.from(piece).toString("base64") });
  }
}

function write(text) {
  const content = [{ type: "input_text", text }];
  realtime.send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
  realtime.send({ type: "response.create" });
}

async function configure() {
  await events.until("session.created");
  realtime.send({
    type: "session.update",
    session: {
      type: "realtime",
      output_modalities: ["audio"],
      instructions: "Be brief.",
      audio: {
        input: {
          format: { type: "audio/pcm", rate: 24000 },
          transcription: { model: "gpt-4o-mini-transcribe" },
          turn_detection: { type: "semantic_vad" },
        },
        output: { format: { type: "audio/pcm", rate: 24000 }, voice: "marin" },
      },
      tools: [WEATHER],
    },
  });
  const { session } = await events.until("session.updated");
  check(session.tools[0].name === "get_weather", "the tools are in the session");
}

async function spokenTurn() {
  const start = events.position;
  say(speech);
  say(SILENCE);
  const { response } = await events.until("response.done");
  check(response.status === "completed", `the answer is ${response.status}`);
  const deltas = events.since(start).filter((event) => event.type === "response.output_audio.delta");
  const bytes = deltas.reduce((sum, event) => sum + Buffer.from(event.delta, "base64").length, 0);
  check(bytes > HALF_SECOND, `only ${bytes} bytes of sound`);
  console.log(`spoken turn: ${response.output[0].content[0].transcript}`);
}

async function interruption() {
  write("Tell me a story.");
  const { item_id } = await events.until("response.output_audio.delta");
  say(speech);
  await events.until("input_audio_buffer.speech_started");
  const { response } = await events.until("response.done");
  check(response.status === "cancelled", `the story is ${response.status}`);
  realtime.send({ type: "conversation.item.truncate", item_id, content_index: 0, audio_end_ms: 400 });
  await events.until("conversation.item.truncated");
  say(SILENCE);
  await events.until("response.done", ({ response: next }) => next.status === "completed");
  console.log("interruption: the story ended");
}

async function toolCall() {
  write("What is the weather in Oslo?");
  const call = await events.until("response.function_call_arguments.done");
  check(JSON.parse(call.arguments).city === "Oslo", call.arguments);
  await events.until("response.done");
  const item = { type: "function_call_output", call_id: call.call_id, output: "nine degrees" };
  realtime.send({ type: "conversation.item.create", item });
  realtime.send({ type: "response.create" });
  const told = await events.until("response.output_audio_transcript.done");
  check(told.transcript.includes("nine degrees"), told.transcript);
  await events.until("response.done");
  console.log(`tool call: ${told.transcript}`);
}

run(async () => {
  await configure();
  await spokenTurn();
  await interruption();
  await toolCall();
  realtime.close();
});
