// What an agent of @openai/agents-realtime does besides talking: functions that need leave, tools of an MCP server
// with leave and without, handing over to another agent, an answer that a guardrail stops, a history changed in the
// middle, turns that the application ends.
//
//     node agents_more.mjs http://127.0.0.1:8710 speech.pcm http://127.0.0.1:9000/mcp

import { readFileSync } from "node:fs";
import { hostedMcpTool } from "@openai/agents-core";
import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { check, Events, pieces, run } from "./talk.mjs";

const [url, path, mcpUrl] = process.argv.slice(2);
const speech = new Uint8Array(readFileSync(path));
const TOLD = [
  "agent_end",
  "agent_handoff",
  "guardrail_tripped",
  "mcp_tool_call_completed",
  "mcp_tools_changed",
  "tool_approval_requested",
];
const WEATHER = "What is the weather in Oslo?";

async function open(agent, options = {}) {
  const address = `${url.replace("http", "ws")}/v1/realtime?model=gpt-realtime`;
  const session = new RealtimeSession(agent, { transport: new OpenAIRealtimeWebSocket({ url: address }), ...options });
  const events = new Events();
  session.on("transport_event", (event) => events.push(event));
  session.on("error", (error) => events.fail(error));
  // All of these tell the context and the agent first, then what has happened.
  for (const name of TOLD) session.on(name, (...told) => events.push({ type: `@${name}`, what: told[2] ?? told[0] }));
  await session.connect({ apiKey: "x" });
  return { session, events };
}

function tester(parts = {}) {
  return new RealtimeAgent({ name: "Tester", instructions: "Be brief.", ...parts });
}

function getWeather(needsApproval = false) {
  return tool({
    name: "get_weather",
    description: "The weather in a city.",
    needsApproval,
    parameters: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
      additionalProperties: false,
    },
    execute: async ({ city }) => `nine degrees in ${city}`,
  });
}

const said = (words) => (event) => event.what?.includes(words);

async function leave() {
  const { session, events } = await open(tester({ tools: [getWeather(true)] }));
  session.sendMessage(WEATHER);
  const { what } = await events.until("@tool_approval_requested");
  await session.approve(what.approvalItem);
  await events.until("@agent_end", said("nine degrees in Oslo"));
  session.close();
}

async function mcp(requireApproval) {
  const house = hostedMcpTool({ serverLabel: "house", serverUrl: mcpUrl, requireApproval });
  const { session, events } = await open(tester({ tools: [house] }));
  await events.until("@mcp_tools_changed", ({ what }) => what.some(({ name }) => name === "get_weather"));
  session.sendMessage(WEATHER);
  if (requireApproval === "always") {
    await session.approve((await events.until("@tool_approval_requested")).what.approvalItem);
  }
  const { what } = await events.until("@mcp_tool_call_completed");
  check(what.output === "nine degrees in Oslo", JSON.stringify(what));
  await events.until("@agent_end", said(what.output));
  session.close();
}

async function handover() {
  const tutor = new RealtimeAgent({ name: "History tutor", instructions: "Teach.", tools: [getWeather()] });
  const { session, events } = await open(tester({ handoffs: [tutor] }));
  session.sendMessage("Let me talk to the history tutor");
  await events.until("@agent_handoff");
  await events.until("@agent_end", ({ what }) => what);
  check(session.currentAgent.name === "History tutor", session.currentAgent.name);
  session.sendMessage(WEATHER);
  await events.until("@agent_end", said("nine degrees in Oslo"));
  session.close();
}

async function guardrail() {
  const rail = {
    name: "No second sentence",
    execute: async ({ agentOutput }) => ({ tripwireTriggered: agentOutput.includes("number 2"), outputInfo: {} }),
  };
  const outputGuardrailSettings = { debounceTextLength: 10 };
  const { session, events } = await open(tester(), { outputGuardrails: [rail], outputGuardrailSettings });
  session.sendMessage("Tell me a story.");
  await events.until("@guardrail_tripped");
  const { response } = await events.until("response.done");
  check(response.status === "cancelled", response.status);
  await events.until("@agent_end", said("here is an answer"));
  session.close();
}

async function history() {
  const { session, events } = await open(tester());
  session.sendMessage("Good morning.");
  await events.until("@agent_end");
  const first = session.history[0].itemId;
  session.updateHistory((items) => items.slice(1));
  await events.until("conversation.item.deleted", (event) => event.item_id === first);
  const content = [{ type: "input_text", text: "Good evening." }];
  const item = { itemId: "item_new", type: "message", role: "user", status: "completed", content };
  session.updateHistory((items) => [item, ...items]);
  const added = await events.until("conversation.item.added", (event) => event.item.id === item.itemId);
  check(added.previous_item_id === null, `put behind ${added.previous_item_id}`);
  session.close();
}

async function byHand() {
  const { session, events } = await open(tester(), { config: { audio: { input: { turnDetection: null } } } });
  const sound = [...pieces(speech)];
  for (const piece of sound) session.sendAudio(piece.buffer, { commit: piece === sound.at(-1) });
  session.transport.requestResponse();
  await events.until("@agent_end", said("here is an answer"));
  session.close();
}

run(async () => {
  const parts = { leave, mcp: () => mcp("never"), "mcp with leave": () => mcp("always"), handover, guardrail, history };
  for (const [name, part] of Object.entries({ ...parts, "by hand": byHand })) {
    await part();
    console.log(`${name}: done`);
  }
});
