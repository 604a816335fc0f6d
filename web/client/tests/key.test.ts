import { expect, it } from "vitest";
import { bearer, fits } from "../src/realtime/key";

it("goes into a header if it is visible ASCII", () => {
  expect(fits("sk-a/b+c==", "header")).toBe(true);
  expect(fits("two words", "header")).toBe(false);
  expect(fits("schlüssel", "header")).toBe(false);
  expect(fits("", "header")).toBe(false);
  expect(bearer("k")).toEqual({ Authorization: "Bearer k" });
  expect(bearer(null)).toEqual({});
});

it("goes into a subprotocol's name if it is an HTTP token", () => {
  expect(fits("sk-A_b.9~x", "subprotocol")).toBe(true);
  for (const key of ["a/b", "a=", "a,b", "a b", "ä"]) expect(fits(key, "subprotocol"), key).toBe(false);
});
