/** What an MCP server must look like to be named. No I/O. */

import type { Offer, ToolServer } from "duologue-client";

export type LabelProblem = "label-empty" | "label-signs" | "label-long" | "label-taken";
export type UrlProblem = "url-empty" | "url-bad" | "url-insecure" | "url-user";

export interface ToolProblems {
  label: LabelProblem | null;
  url: UrlProblem | null;
}

const LONGEST_LABEL = 64;

export function labelProblem(label: string, others: readonly ToolServer[]): LabelProblem | null {
  if (!label) return "label-empty";
  if (!/^[a-zA-Z0-9_-]+$/.test(label)) return "label-signs";
  if (label.length > LONGEST_LABEL) return "label-long";
  return others.some((other) => other.label === label) ? "label-taken" : null;
}

export function urlProblem(text: string, mcp: Offer["mcp"]): UrlProblem | null {
  if (!text) return "url-empty";
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:\/\//i.test(text) || !/^https?:$/.test(url.protocol)) return "url-bad";
  if (url.username || url.password) return "url-user";
  return mcp === "public" && url.protocol !== "https:" ? "url-insecure" : null;
}

export function problemsOf(
  { label, url }: { label: string; url: string },
  others: readonly ToolServer[],
  mcp: Offer["mcp"],
): ToolProblems {
  return { label: labelProblem(label, others), url: urlProblem(url, mcp) };
}
