import { describe, expect, it } from "vitest";
import { PlayedReports } from "../src/realtime/played";

const at = (ms: number, itemId = "a") => ({ itemId, ms });

describe("PlayedReports", () => {
  it("tell how far an answer was heard", () => {
    expect(new PlayedReports().heard(at(120), 5)).toMatchObject({
      type: "duologue.output_audio.played",
      item_id: "a",
      audio_end_ms: 120,
    });
  });

  it("come four times a second at most", () => {
    const reports = new PlayedReports();
    const told = Array.from({ length: 50 }, (_, i) => reports.heard(at(40 * (i + 1)), 40 * i));
    expect(told.filter((report) => report !== null)).toHaveLength(8);
  });

  it("say nothing twice, as while it is held or before the first sound is out of the device", () => {
    const reports = new PlayedReports();
    expect(reports.heard(at(0), 0)).toBeNull();
    expect(reports.heard(at(40), 40)).not.toBeNull();
    expect(reports.heard(at(40), 1000)).toBeNull();
    expect(reports.heard(at(80), 1040)).not.toBeNull();
  });

  it("tell the end once, whatever the time", () => {
    const reports = new PlayedReports();
    reports.heard(at(960), 0);
    expect(reports.ended(at(1000))).toMatchObject({ audio_end_ms: 1000 });
    expect(reports.ended(at(1000))).toBeNull();
    expect(reports.heard(at(40, "b"), 300)).toMatchObject({ item_id: "b", audio_end_ms: 40 });
  });

  it("stop where the server does not know of them, and of that nobody is told", () => {
    const reports = new PlayedReports();
    const report = reports.heard(at(120), 0);
    expect(reports.isRefusal({ message: "of something else", event_id: null })).toBe(false);
    expect(reports.heard(at(400), 400)).not.toBeNull();
    const eventId = report && "event_id" in report ? report.event_id : "";
    expect(reports.isRefusal({ message: "Invalid value", event_id: eventId })).toBe(true);
    expect(reports.heard(at(800), 800)).toBeNull();
    expect(reports.ended(at(900))).toBeNull();
  });
});
