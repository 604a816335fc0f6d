from __future__ import annotations

import pytest

from duologue.errors import ConfigError
from duologue.server.webrtc.ice import IceServer, parse_servers, remote_candidates_wanted
from duologue.server.webrtc.peer import make_peer
from duologue.server.webrtc.playback import Playback


def test_servers_are_read() -> None:
    assert parse_servers(["stun:stun.example:3478", "turn:me:secret@turn.example:3478?transport=tcp"]) == [
        IceServer("stun:stun.example:3478"),
        IceServer("turn:turn.example:3478?transport=tcp", "me", "secret"),
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://stun.example",
        "stun:",
        "stun:stun.example?transport=tcp",
        "stuns:stun.example",
        "stun:[::1]:3478",
        "turn:turn.example",
        "turn:me:secret@",
        "",
    ],
)
def test_what_is_no_server_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_servers([url])
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["stun:stun.example", "stun:192.0.2.1:3478", "turn:me:secret@turn.example", "turns:me:secret@turn.example:443"],
)
@pytest.mark.anyio
async def test_what_is_accepted_here_aiortc_accepts_too(url: str) -> None:
    peer = make_peer(parse_servers([url]), Playback())
    await peer.close()


def test_hidden_addresses_and_the_end_of_candidates_are_left_out() -> None:
    offer = (
        "v=0\r\n"
        "a=candidate:1 1 udp 2113937151 0f3b9d5c-1111.local 50000 typ host\r\n"
        "a=candidate:2 1 udp 2113937151 192.0.2.7 50001 typ host\r\n"
        "a=end-of-candidates\r\n"
        "a=mid:0\r\n"
    )
    kept = remote_candidates_wanted(offer)
    assert kept == "v=0\r\na=candidate:2 1 udp 2113937151 192.0.2.7 50001 typ host\r\na=mid:0\r\n"
