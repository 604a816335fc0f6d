"""A peer connection of aiortc, with what is wrong with it for conversations set right from outside."""

from __future__ import annotations

from collections.abc import Sequence

from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError
from aiortc.rtcconfiguration import RTCBundlePolicy

from duologue.errors import ClientError, ConfigError
from duologue.server.webrtc.ice import IceServer, remote_candidates_wanted
from duologue.server.webrtc.microphone import Microphone
from duologue.server.webrtc.playback import Playback

# The attribute of aiortc's receiver that every packet goes through.
_BUFFER = "_RTCRtpReceiver__jitter_buffer"
# What aiortc raises for an offer that it cannot read or use; its parser checks little before it takes things apart.
_UNUSABLE = (
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
    OperationError,
    InternalError,
    InvalidAccessError,
    InvalidStateError,
)


def make_peer(servers: Sequence[IceServer], playback: Playback) -> RTCPeerConnection:
    """A connection that will send ``playback``. No server is asked for its address but those named: aiortc's default
    is one of Google's."""
    asked = [RTCIceServer(server.url, server.user, server.password) for server in servers]
    peer = RTCPeerConnection(RTCConfiguration(iceServers=asked, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
    peer.addTrack(playback)
    (transceiver,) = peer.getTransceivers()
    known = RTCRtpReceiver.getCapabilities("audio")
    assert known is not None
    transceiver.setCodecPreferences([codec for codec in known.codecs if codec.mimeType == "audio/opus"])
    return peer


async def answer(peer: RTCPeerConnection, offer: str, microphone: Microphone) -> str:
    """The SDP that answers ``offer``; then the connection comes up by itself. Raises ClientError."""
    try:
        await peer.setRemoteDescription(RTCSessionDescription(remote_candidates_wanted(offer), "offer"))
    except _UNUSABLE as error:
        raise _refused(f"The SDP offer cannot be used: {_said(error)}.") from None
    conversation, *others = peer.getTransceivers()
    if conversation.mid is None:
        raise ClientError(
            "The SDP offer has no audio: add a track or a transceiver.", code="invalid_offer", param="sdp"
        )
    for transceiver in others:
        # Nobody would look at it, and what is not taken would be kept for ever.
        transceiver.direction = "inactive"
    _attach(conversation.receiver, microphone)
    try:
        await peer.setLocalDescription()
    except _UNUSABLE as error:
        raise _refused(f"The SDP offer cannot be used: {_said(error)}.") from None
    return str(peer.localDescription.sdp)


def _attach(receiver: RTCRtpReceiver, microphone: Microphone) -> None:
    """aiortc's own buffer keeps 60 ms, and after one lost packet 280 ms for the rest of the call."""
    if not hasattr(receiver, _BUFFER):
        raise ConfigError("This version of aiortc is not known. Install the one that Duologue asks for: aiortc 1.16.")
    setattr(receiver, _BUFFER, microphone)


def _refused(message: str) -> ClientError:
    return ClientError(message, code="invalid_offer", param="sdp")


def _said(error: BaseException) -> str:
    return str(error).rstrip(".") or type(error).__name__
