// @openai/agents-realtime in Node, over a WebSocket.
//
//     node agents_ws.mjs http://127.0.0.1:8710 speech.pcm

import { readFileSync } from "node:fs";
import { OpenAIRealtimeWebSocket } from "@openai/agents-realtime";
import { converseOverWebSocket, sessionOver } from "./agent.mjs";
import { run } from "./talk.mjs";

const [url, path] = process.argv.slice(2);
const speech = new Uint8Array(readFileSync(path));

run(async () => {
  const address = `${url.replace("http", "ws")}/v1/realtime?model=gpt-realtime`;
  const { session, events } = sessionOver(new OpenAIRealtimeWebSocket({ url: address }));
  await session.connect({ apiKey: "x" });
  await converseOverWebSocket({ session, events, speech, say: console.log });
  session.close();
});
