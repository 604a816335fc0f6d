/** Programs that connect to this very server. As files they name the address that the documentation has. */

import agents from "./snippets/agents.txt?raw";
import node from "./snippets/node.txt?raw";
import python from "./snippets/python.txt?raw";
import secret from "./snippets/secret.txt?raw";
import speak from "./snippets/speak.txt?raw";
import transcribe from "./snippets/transcribe.txt?raw";
import websocket from "./snippets/websocket.txt?raw";

const PROGRAMS = { python, node, agents, websocket, secret, transcribe, speak };
export type SnippetName = keyof typeof PROGRAMS;
export const SNIPPETS = Object.keys(PROGRAMS) as SnippetName[];

/** For the server at `base`. With `needsKey` there is a place for one. */
export function programOf(name: SnippetName, base: string, needsKey: boolean): string {
  const here = addressOf(base);
  const program = started(PROGRAMS[name])
    // Only a client that dials wss:// whatever it is told has to be given https.
    .replaceAll("https://localhost:8710", here.replace(/^http:/, "https:"))
    .replaceAll(/https:\/\/[a-z.]+:8710/g, here)
    .replaceAll("http://127.0.0.1:8710", here)
    .replaceAll("ws://127.0.0.1:8710", here.replace(/^http/, "ws"));
  return needsKey ? withKey(program) : program.replaceAll("$DUOLOGUE_API_KEY", "none");
}

/** A program that takes a secret from elsewhere has a place for it. */
function started(program: string): string {
  if (!program.includes("apiKey: secret")) return program;
  return program.replace(
    "\n\nconst ",
    '\n\nconst secret = "ek_..."; // the "value" of the answer above\nconst ',
  );
}

/** What is done before, by which program; null: nothing. */
export function stepBefore(name: SnippetName): SnippetName | null {
  return name === "agents" ? "secret" : null;
}

/** Without what a page's address has besides, and without a slash at its end. */
export function addressOf(base: string): string {
  const { origin, pathname } = new URL(".", base);
  return `${origin}${pathname}`.replace(/\/$/, "");
}

function withKey(program: string): string {
  return program
    .replaceAll('"none"', '"YOUR_KEY"')
    .replaceAll("Bearer none", "Bearer YOUR_KEY")
    .replaceAll("$DUOLOGUE_API_KEY", "YOUR_KEY")
    .replace(/^curl (http\S+)/m, 'curl $1 -H "Authorization: Bearer YOUR_KEY"');
}

/** Whether the server at `base` wants a key; null where that cannot be told. */
export async function asksForKey(base: string): Promise<boolean | null> {
  try {
    const { status, ok } = await fetch(new URL("v1/models", base), { cache: "no-store" });
    return ok ? false : status === 401 ? true : null;
  } catch {
    return null;
  }
}
