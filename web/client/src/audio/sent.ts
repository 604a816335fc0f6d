/** What a peer connection knows of the sound that it sends. */

// What browsers send: Opus in packets of 20 ms, silence as well.
const PACKET_MS = 20;

/** How much sound has left for the other side; null where the browser does not tell. */
export async function sentMs(sender: RTCRtpSender): Promise<number | null> {
  try {
    for (const report of (await sender.getStats()).values()) {
      if (report.type === "outbound-rtp") return report.packetsSent * PACKET_MS;
    }
  } catch {
    // The connection is closed.
  }
  return null;
}
