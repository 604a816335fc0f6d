/** What the server tells of items as such: where they stand, tools that are called, what others bring. No I/O. */

import { drop, type Entries, type Entry, edit, find, newEntry, open, place, type ToolUse } from "./entries";
import type { ServerEvent, WireItem } from "./events";
import type { ConversationState } from "./state";

type Change = Partial<ConversationState> | undefined;

export function fromItems({ entries }: ConversationState, event: ServerEvent, atMs: number): Change {
  switch (event.type) {
    case "response.output_item.added":
    case "response.output_item.done":
      return { entries: withItem(entries, event.item, atMs) };
    case "conversation.item.added":
    case "conversation.item.done": {
      const { item, previous_item_id } = event;
      return { entries: place(withItem(entries, item, atMs), item.id, previous_item_id) };
    }
    case "conversation.item.deleted":
      return { entries: drop(entries, event.item_id) };
    default:
      return fromTool(entries, event);
  }
}

function fromTool(entries: Entries, event: ServerEvent): Change {
  switch (event.type) {
    case "response.function_call_arguments.delta":
    case "response.mcp_call_arguments.delta":
      return {
        entries: editTool(entries, event.item_id, (tool) => ({
          ...tool,
          arguments: tool.arguments + event.delta,
        })),
      };
    case "response.function_call_arguments.done":
    case "response.mcp_call_arguments.done":
      return {
        entries: editTool(entries, event.item_id, (tool) => ({ ...tool, arguments: event.arguments })),
      };
    case "response.mcp_call.in_progress":
      return { entries: settleTool(entries, event.item_id, "running") };
    case "response.mcp_call.completed":
      return { entries: settleTool(entries, event.item_id, "done") };
    case "response.mcp_call.failed":
      return { entries: settleTool(entries, event.item_id, "failed") };
    default:
      return undefined;
  }
}

/** The entries with what is new in an item. What is only for the model, as a list of tools, is not shown. */
export function withItem(entries: Entries, item: WireItem, atMs: number): Entries {
  switch (item.type) {
    case "message":
      return withMessage(entries, item, atMs);
    case "function_call":
    case "mcp_approval_request":
      return withTool(entries, item, atMs);
    case "mcp_call":
      return withTool(answered(entries, item), item, atMs);
    case "function_call_output":
      return entries.map((entry) => withOutput(entry, item));
    case "mcp_approval_response":
      return item.approve === false
        ? settleTool(entries, item.approval_request_id ?? "", "denied")
        : settleTool(entries, item.approval_request_id ?? "", "running");
    default:
      return entries;
  }
}

/** An answer is there from its first moment; what the user or somebody else's client said, once it has words. */
function withMessage(entries: Entries, item: WireItem, atMs: number): Entries {
  if (find(entries, item.id)) return entries;
  if (item.role === "assistant" && item.status !== "completed") {
    return open(entries, item.id, "assistant", atMs);
  }
  const text = textOf(item);
  if (!text || (item.role !== "user" && item.role !== "assistant")) return entries;
  return [...entries, newEntry(item.id, item.role, { text, atMs, status: "final" })];
}

export function textOf(item: WireItem): string {
  return item.content?.map((part) => part.transcript ?? part.text ?? "").join("") ?? "";
}

function withTool(entries: Entries, item: WireItem, atMs: number): Entries {
  const opened = find(entries, item.id)
    ? entries
    : [...entries, newEntry(item.id, "tool", { atMs, status: "final", tool: toolOf(item) })];
  return editTool(opened, item.id, (before) => {
    const now = toolOf(item);
    // An item that was begun says less than the events about it since.
    if (item.status === "in_progress") return { ...before, arguments: now.arguments || before.arguments };
    const isDecided = before.status === "denied" || (now.status === "asks" && before.status !== "asks");
    const isSettled = now.status === "running" && before.status !== "running";
    const output = now.output ?? before.output;
    return isDecided || isSettled ? { ...now, status: before.status, output } : now;
  });
}

function toolOf(item: WireItem): ToolUse {
  return {
    name: item.name ?? "",
    server: item.server_label ?? null,
    arguments: item.arguments ?? "",
    output: item.output ?? null,
    failure: item.error?.message ?? null,
    status: statusOf(item),
    ...(item.call_id ? { callId: item.call_id } : {}),
  };
}

function statusOf({ type, status, error, output }: WireItem): ToolUse["status"] {
  if (type === "mcp_approval_request") return "asks";
  if (error || status === "incomplete") return "failed";
  return type === "mcp_call" && typeof output === "string" ? "done" : "running";
}

/** A call that the user allowed takes the place of the question; one that was not allowed leaves it as it is. */
function answered(entries: Entries, call: WireItem): Entries {
  const asked = find(entries, call.approval_request_id ?? "");
  if (!asked || find(entries, call.id)) return entries;
  const tool: ToolUse = { ...toolOf(call), ...(asked.tool?.status === "denied" ? { status: "denied" } : {}) };
  return edit(entries, asked.id, (entry) => ({ ...entry, id: call.id, tool }));
}

function withOutput(entry: Entry, { call_id, output }: WireItem): Entry {
  if (!entry.tool || !call_id || entry.tool.callId !== call_id) return entry;
  return { ...entry, tool: { ...entry.tool, output: output ?? "", status: "done" } };
}

function settleTool(entries: Entries, id: string, status: ToolUse["status"]): Entries {
  return editTool(entries, id, (tool) => (tool.status === "denied" ? tool : { ...tool, status }));
}

function editTool(entries: Entries, id: string, change: (tool: ToolUse) => ToolUse): Entries {
  return edit(entries, id, (entry) => (entry.tool ? { ...entry, tool: change(entry.tool) } : entry));
}
