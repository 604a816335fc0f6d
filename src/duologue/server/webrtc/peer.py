"""A peer connection of aiortc, with what is wrong with it for conversations set right from outside."""

from __future__ import annotations

from collections.abc import Sequence

from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError
from aiortc.rtcconfiguration import RTCBundlePolicy
from aiortc.sdp import SessionDescription

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
    StopIteration,
    RuntimeError,  # what a StopIteration becomes in a coroutine
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
    offer = remote_candidates_wanted(offer)
    try:
        _check(SessionDescription.parse(offer))
        await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
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


def _check(offer: SessionDescription) -> None:
    """What aiortc stumbles over only once it has answered. Media without a name of its own, or a bundle of what is
    not there, leave it with a connection half taken apart, which then cannot be closed either."""
    names = [media.rtp.muxId for media in offer.media]
    bundled = next((group.items for group in offer.group if group.semantic == "BUNDLE"), [])
    if len(set(names)) < len(names) or not set(bundled) <= set(names):
        raise ValueError("its media and its BUNDLE group do not fit together")
    if not all(media.dtls is not None and media.dtls.fingerprints for media in offer.media):
        raise ValueError("it has no fingerprint")


def _attach(receiver: RTCRtpReceiver, microphone: Microphone) -> None:
    """aiortc's own buffer keeps 60 ms, and after one lost packet 280 ms for the rest of the call."""
    if not hasattr(receiver, _BUFFER):
        raise ConfigError("This version of aiortc is not known. Install the one that Duologue asks for: aiortc 1.16.")
    setattr(receiver, _BUFFER, microphone)


def _refused(message: str) -> ClientError:
    return ClientError(message, code="invalid_offer", param="sdp")


def _said(error: BaseException) -> str:
    """Its own words where they are meant to be read."""
    is_meant = isinstance(error, ValueError | OperationError | InvalidAccessError | InvalidStateError)
    return (is_meant and str(error).rstrip(".")) or "something in it is missing"
