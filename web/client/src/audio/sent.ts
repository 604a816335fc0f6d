/** What a peer connection knows of the sound that passes through it. */

// What browsers send: Opus in packets of 20 ms.
const PACKET_MS = 20;

export interface Sent {
  ms: number;
  /** How old the count is: browsers look at most every 50 ms. */
  ageMs: number;
}

/** How much sound has left for the other side; null where the browser does not tell. */
export async function sentMs(sender: RTCRtpSender): Promise<Sent | null> {
  const report = await find(sender, "outbound-rtp");
  if (!report) return null;
  const ageMs = performance.timeOrigin + performance.now() - report.timestamp;
  return { ms: report.packetsSent * PACKET_MS, ageMs: Math.max(0, ageMs) };
}

/** How many packets of sound have come in; null where the browser does not tell. */
export async function receivedPackets(receiver: RTCRtpReceiver): Promise<number | null> {
  return (await find(receiver, "inbound-rtp"))?.packetsReceived ?? null;
}

async function find(end: RTCRtpSender | RTCRtpReceiver, type: string) {
  try {
    for (const report of (await end.getStats()).values()) if (report.type === type) return report;
  } catch {
    // The connection is closed.
  }
  return null;
}
