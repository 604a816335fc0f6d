// One conversation with an agent of @openai/agents-realtime, the same over each of its transports, in Node and in a
// browser: a spoken turn, an interruption, a function.

import { RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { check, Events, pieces, SILENCE } from "./talk.mjs";

// Of an answer that is being heard.
const HEARD_MS = 300;

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

/** A session, not connected yet, and its events: the server's under their own names, the SDK's with an @. */
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
  session.on("history_updated", () => events.push({ type: "@history" }));
  return { session, events };
}

/**
 * `user.begins()` and `user.ends()`: the user's turn, in two parts. `heard`: the event that tells of an answer that
 * is heard; `isCut`: resolves when the interrupted answer is no longer. `say` prints.
 */
export async function converse({ session, events, user, heard, isCut, say }) {
  await user.begins();
  await user.ends();
  const { output } = await events.until("@agent_end");
  check(output.length > 0, "the answer has words");
  while (!(wordsOf(session, "user") && wordsOf(session, "assistant") === output)) await events.until("@history");
  say(`spoken turn: ${output}`);

  session.sendMessage("Tell me a story.");
  await events.until(heard);
  await new Promise((resume) => setTimeout(resume, HEARD_MS));
  await user.begins();
  await events.until("input_audio_buffer.speech_started");
  await isCut();
  await events.until("conversation.item.truncated");
  await user.ends();
  await events.until("@agent_end", (event) => event.output === output);
  say("interruption: the story ended");

  session.sendMessage("What is the weather in Oslo?");
  const { result } = await events.until("@agent_tool_end");
  check(result === "nine degrees in Oslo", result);
  const told = await events.until("@agent_end", (event) => event.output?.includes(result));
  say(`tool call: ${told.output}`);
}

/** The last words of one side, as the SDK's history has them. */
function wordsOf(session, role) {
  return session.history.filter((item) => item.role === role).at(-1)?.content[0]?.transcript ?? "";
}

/** The same over a WebSocket, where an application sends and plays the sound itself. */
export async function converseOverWebSocket({ session, events, speech, say }) {
  const send = (sound) => {
    for (const piece of pieces(sound)) session.sendAudio(piece.buffer);
  };
  const user = { begins: async () => send(speech), ends: async () => send(SILENCE) };
  const isCut = () => events.until("@audio_interrupted");
  await converse({ session, events, user, heard: "@audio", isCut, say });
}
