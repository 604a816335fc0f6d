import { describe, expect, it } from "vitest";
import { cacheName, cachePrefix, isAway, type Plan, planFor } from "../src/sw/plan";

const HOME = "https://a.example/talk/";

describe("the service worker", () => {
  it.each<[string, string, string, Plan]>([
    ["GET", "navigate", "", "page"],
    ["GET", "navigate", "?transport=websocket", "page"],
    ["GET", "navigate", "index.html", "page"],
    ["GET", "navigate", "ops/", "leave"],
    ["GET", "cors", "v1/models", "leave"],
    ["POST", "cors", "v1/realtime/calls", "leave"],
    ["GET", "navigate", "v1/conversations", "leave"],
    ["GET", "cors", "healthz", "leave"],
    ["GET", "no-cors", "assets/index-abc.js", "asset"],
    ["POST", "cors", "assets/index-abc.js", "leave"],
    ["GET", "no-cors", "icons/icon-192.png", "asset"],
    ["GET", "cors", "../assets/other.js", "leave"],
    ["GET", "cors", "https://b.example/talk/assets/x.js", "leave"],
  ])("plans for %s (%s) of %j: %s", (method, mode, path, plan) => {
    expect(planFor({ method, mode, url: new URL(path, HOME).href }, HOME)).toBe(plan);
  });

  it("knows a server that is away behind a proxy", () => {
    expect([200, 401, 404, 500, 502, 503, 504].filter(isAway)).toEqual([502, 503, 504]);
  });

  it("keeps its own apart from what others keep at this origin", () => {
    expect(cacheName(HOME, "1")).not.toBe(cacheName(HOME, "2"));
    expect(cacheName("https://a.example/", "1").startsWith(cachePrefix(HOME))).toBe(false);
    expect(cacheName(HOME, "1").startsWith(cachePrefix("https://a.example/"))).toBe(false);
  });
});
