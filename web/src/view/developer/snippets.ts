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
  const program = PROGRAMS[name]
    .replaceAll(/https:\/\/[a-z.]+:8710/g, here.replace(/^http:/, "https:"))
    .replaceAll("http://127.0.0.1:8710", here)
    .replaceAll("ws://127.0.0.1:8710", here.replace(/^http/, "ws"));
  return needsKey ? withKey(program) : program;
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
