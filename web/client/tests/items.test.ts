import { describe, expect, it } from "vitest";
import type { Entry } from "../src/realtime/entries";
import type { ServerEvent, WireItem } from "../src/realtime/events";
import { reduce } from "../src/realtime/reduce";
import { type ConversationState, type Happening, INITIAL } from "../src/realtime/state";

function given(...events: Happening[]): ConversationState {
  return events.reduce<ConversationState>((state, event) => reduce(state, event), INITIAL);
}

const added = (item: WireItem, previous_item_id: string | null = null): ServerEvent => ({
  type: "conversation.item.added",
  previous_item_id,
  item,
});
const done = (item: WireItem, previous_item_id: string | null = null): ServerEvent => ({
  type: "conversation.item.done",
  previous_item_id,
  item,
});
const message = (id: string, role: "user" | "assistant", text = ""): WireItem => ({
  id,
  type: "message",
  role,
  content: [{ type: role === "user" ? "input_text" : "output_text", text }],
});
const call: WireItem = {
  id: "call",
  type: "mcp_call",
  status: "in_progress",
  server_label: "home",
  name: "light",
  arguments: "",
  output: null,
};
const ids = (state: ConversationState) => state.entries.map((entry) => entry.id);
const toolOf = (state: ConversationState) => (state.entries.at(-1) as Entry).tool;

describe("a call to a server's tool", () => {
  const begun: Happening[] = [
    { type: "response.output_item.added", item: call, atMs: 7 },
    added(call),
    { type: "response.mcp_call_arguments.delta", item_id: "call", delta: '{"on":' },
    { type: "response.mcp_call_arguments.delta", item_id: "call", delta: "true}" },
  ];
  const whole = '{"on":true}';

  it("is a card that fills as it goes", () => {
    const running = given(...begun);
    expect(running.entries).toHaveLength(1);
    expect(running.entries[0]).toMatchObject({ role: "tool", text: "", atMs: 7 });
    expect(toolOf(running)).toEqual({
      name: "light",
      server: "home",
      arguments: whole,
      output: null,
      failure: null,
      status: "running",
    });
    const state = [
      { type: "response.mcp_call_arguments.done", item_id: "call", arguments: whole } as const,
      { type: "response.mcp_call.in_progress", item_id: "call" } as const,
      { type: "response.mcp_call.completed", item_id: "call" } as const,
      done({ ...call, status: "completed", arguments: whole, output: "It is on." }),
    ].reduce<ConversationState>((before, event) => reduce(before, event), running);
    expect(toolOf(state)).toMatchObject({ arguments: whole, output: "It is on.", status: "done" });
    expect(reduce(state, added(call)), "what comes late changes nothing").toEqual(state);
  });

  it("says why it failed", () => {
    const failed = done({ ...call, status: "incomplete", arguments: whole, error: { message: "No bulb." } });
    const state = given(...begun, { type: "response.mcp_call.failed", item_id: "call" }, failed);
    expect(toolOf(state)).toMatchObject({ status: "failed", failure: "No bulb." });
  });

  it("is over when the line is lost, and stays to be seen", () => {
    expect(toolOf(given(...begun, { type: "page.reconnecting" }))?.status).toBe("failed");
  });
});

describe("a tool that asks first", () => {
  const request: WireItem = {
    id: "ask",
    type: "mcp_approval_request",
    server_label: "home",
    name: "light",
    arguments: "{}",
  };
  const decided = (isAllowed: boolean): Happening => ({ type: "page.decided", id: "ask", isAllowed });

  it("waits for the user, and then is called in the same place", () => {
    const asked = given(added(request), added(message("u", "user", "Well?"), "ask"));
    expect(asked.entries[0]?.tool?.status).toBe("asks");
    const allowed = reduce(asked, decided(true));
    expect(allowed.entries[0]?.tool?.status).toBe("running");
    expect(reduce(allowed, done(request)).entries[0]?.tool?.status).toBe("running");
    const called = reduce(allowed, added({ ...call, approval_request_id: "ask" }, "u"));
    expect(called.entries.map((entry) => [entry.id, entry.tool?.status])).toEqual([
      ["u", undefined],
      ["call", "running"],
    ]);
  });

  it("stays denied, whatever the server makes of it", () => {
    const failed: WireItem = {
      ...call,
      status: "completed",
      error: { message: "Not allowed." },
      approval_request_id: "ask",
    };
    const state = given(added(request), decided(false), added({ ...call, approval_request_id: "ask" }));
    expect(toolOf(state)?.status).toBe("denied");
    expect(toolOf(reduce(state, { type: "response.mcp_call.failed", item_id: "call" }))?.status).toBe(
      "denied",
    );
    expect(toolOf(reduce(state, done(failed)))).toMatchObject({ status: "denied", failure: "Not allowed." });
  });
});

it("a function of the client's has its result, by its call", () => {
  const item: WireItem = {
    id: "f",
    type: "function_call",
    status: "completed",
    name: "now",
    arguments: "{}",
    call_id: "c",
  };
  const output: WireItem = { id: "o", type: "function_call_output", call_id: "c", output: "noon" };
  const state = given(added(item), added(output, "f"));
  expect(state.entries).toHaveLength(1);
  expect(toolOf(state)).toMatchObject({ output: "noon", status: "done", server: null });
});

it("a list of tools is not shown", () => {
  expect(given(added({ id: "l", type: "mcp_list_tools", server_label: "home" })).entries).toEqual([]);
});

describe("items", () => {
  const typed = (id: string): Happening => ({ type: "page.typed", id, text: id });
  const started = (item_id: string): Happening => ({
    type: "input_audio_buffer.speech_started",
    item_id,
    audio_start_ms: 0,
  });

  it("stand where the server has them, before what is being said", () => {
    const state = given(typed("u"), added(message("a", "assistant"), "u"), started("v"), added(call, "a"));
    expect(ids(state)).toEqual(["u", "a", "call", "v"]);
  });

  it("stay where they are if the one before is not shown, or was an answer that nobody heard", () => {
    const state = given(typed("u"), added(message("a", "assistant"), "u"), started("v"));
    expect(ids(reduce(state, added(message("v", "user"), "u")))).toEqual(["u", "a", "v"]);
    expect(ids(reduce(state, added(call, "elsewhere")))).toEqual(["u", "a", "v", "call"]);
  });

  it("follow the order in which two of the user's came to the server", () => {
    const state = given(typed("u"), started("v"), typed("w"));
    const ordered = [added(message("w", "user", "w"), "u"), added(message("v", "user"), "w")];
    expect(ids(ordered.reduce<ConversationState>((before, event) => reduce(before, event), state))).toEqual([
      "u",
      "w",
      "v",
    ]);
  });

  it("that others bring are shown, and those that are deleted are not", () => {
    const state = given(added(message("x", "user", "From a tool.")), added(message("y", "user")));
    expect(state.entries.map((entry) => [entry.id, entry.text, entry.status])).toEqual([
      ["x", "From a tool.", "final"],
    ]);
    expect(reduce(state, { type: "conversation.item.deleted", item_id: "x" }).entries).toEqual([]);
    expect(given(typed("u"), { type: "page.removed", id: "u" }).entries).toEqual([]);
  });
});
