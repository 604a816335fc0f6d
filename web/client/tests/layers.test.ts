import { expect, it } from "vitest";

const sources: Record<string, string> = import.meta.glob("../src/{audio,realtime}/*.ts", {
  query: "?raw",
  import: "default",
  eager: true,
});

it("keeps sound and transports apart from what is shown", () => {
  expect(Object.keys(sources).length).toBeGreaterThan(20);
  for (const [file, text] of Object.entries(sources)) {
    expect(text, file).not.toMatch(/from "(preact|duologue-client|(\.\.\/){3})/);
    if (file.includes("/audio/")) expect(text, file).not.toMatch(/from "\.\.\/realtime\//);
  }
});
