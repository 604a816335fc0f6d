import { expect, it } from "vitest";
import { type Life, Pulse } from "../src/realtime/pulse";

function life(counts: (number | null)[], answers: boolean): Life & { asked: number } {
  let at = 0;
  return {
    asked: 0,
    received: async () => counts[Math.min(at++, counts.length - 1)] ?? null,
    async answers() {
      this.asked += 1;
      return answers;
    },
  };
}

async function beats(of: Life, count: number): Promise<boolean[]> {
  const pulse = new Pulse(of);
  const gone: boolean[] = [];
  for (let i = 0; i < count; i++) gone.push(await pulse.beat());
  return gone;
}

it("asks nothing while packets come", async () => {
  const server = life([50, 100, 150, 200], false);
  expect(await beats(server, 4)).toEqual([false, false, false, false]);
  expect(server.asked).toBe(0);
});

it("says that a server is gone which sends nothing and does not answer", async () => {
  expect(await beats(life([50, 100], false), 4)).toEqual([false, false, false, true]);
});

it("leaves a gap to the connection while the server answers", async () => {
  const server = life([50, 100], true);
  expect(await beats(server, 5)).not.toContain(true);
  expect(server.asked).toBe(2);
});

it("waits for the first packet, and for a browser that does not count", async () => {
  expect(await beats(life([0], false), 4)).not.toContain(true);
  expect(await beats(life([null], false), 4)).not.toContain(true);
});
