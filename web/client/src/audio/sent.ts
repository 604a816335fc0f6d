/** What a peer connection knows of the sound that passes through it. */

// What browsers send: Opus in packets of 20 ms, silence as well.
const PACKET_MS = 20;

/** How much sound has left for the other side; null where the browser does not tell. */
export async function sentMs(sender: RTCRtpSender): Promise<number | null> {
  const packets = await count(sender, "outbound-rtp", "packetsSent");
  return packets === null ? null : packets * PACKET_MS;
}

/** How many packets of sound have come in; null where the browser does not tell. */
export function receivedPackets(receiver: RTCRtpReceiver): Promise<number | null> {
  return count(receiver, "inbound-rtp", "packetsReceived");
}

async function count(end: RTCRtpSender | RTCRtpReceiver, type: string, of: string): Promise<number | null> {
  try {
    for (const report of (await end.getStats()).values()) if (report.type === type) return report[of];
  } catch {
    // The connection is closed.
  }
  return null;
}
