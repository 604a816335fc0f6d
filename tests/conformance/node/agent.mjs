// One conversation with an agent of @openai/agents-realtime, the same for each of its transports, in Node and in
// a browser. `speak(sound)` is how the user is heard; `interrupted` names the event that tells of an interruption.

import { RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { check, Events, SILENCE } from "./talk.mjs";

const getWeather = tool({
  name: "get_weather",
  description: "The weather in a city.",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
  execute: async ({ city }) => `nine degrees in ${city}`,
});

/** A session, not connected yet, and its events: the transport's under their names, the session's as "session.*". */
export function sessionOver(transport) {
  const agent = new RealtimeAgent({ name: "Tester", instructions: "Be brief.", tools: [getWeather] });
  const session = new RealtimeSession(agent, { transport, model: "gpt-realtime" });
  const events = new Events();
  session.on("transport_event", (event) => events.push(event));
  session.on("error", (error) => events.fail(error));
  session.on("audio", (event) => events.push({ type: "@audio", bytes: event.data.byteLength }));
  session.on("audio_interrupted", () => events.push({ type: "@audio_interrupted" }));
  session.on("agent_end", (_context, _agent, output) => events.push({ type: "@agent_end", output }));
  session.on("agent_tool_end", (_context, _agent, _tool, result) => events.push({ type: "@agent_tool_end", result }));
  session.on("history_updated", (history) => events.push({ type: "@history", history: structuredClone(history) }));
  return { session, events };
}

const lastOf = (history, role) => history.filter((item) => item.role === role).at(-1)?.content[0]?.transcript ?? "";

/** `speak` -> a promise; `isCut` -> once an interruption has reached the loudspeaker. `say` prints. */
export async function converse({ session, events, speak, isCut, say }) {
  await speak();
  const { output } = await events.until("@agent_end");
  check(output.length > 0, "the answer has words");
  await events.until("@history", ({ history }) => lastOf(history, "user") && lastOf(history, "assistant") === output);
  say(`spoken turn: ${output}`);

  session.sendMessage("Tell me a story.");
  await events.until("response.output_audio_transcript.delta");
  await speak({ isOver: false });
  await events.until("input_audio_buffer.speech_started");
  await isCut();
  await speak({ isOver: true });
  await events.until("@agent_end", (event) => event.output === output);
  say("interruption: the story ended");

  session.sendMessage("What is the weather in Oslo?");
  const { result } = await events.until("@agent_tool_end");
  check(result === "nine degrees in Oslo", result);
  const told = await events.until("@agent_end", (event) => event.output.includes(result));
  say(`tool call: ${told.output}`);
}

/** The user's sound over a WebSocket: whole, or what is left of it after an interruption began. */
export function speakerOver(session, speech) {
  const send = (sound) => {
    for (let start = 0; start < sound.length; start += 4_800) session.sendAudio(sound.slice(start, start + 4_800).buffer);
  };
  return async ({ isOver } = {}) => {
    if (isOver !== true) send(speech);
    if (isOver !== false) send(SILENCE);
  };
}
