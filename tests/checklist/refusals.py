"""What a bad frame leads to, and whether the session is as well as before."""

from __future__ import annotations

from tests.server.caller import Caller
from tests.wire_checker import Frame


async def refused(caller: Caller, data: str | bytes) -> Frame:
    """The one error that a frame leads to."""
    before = caller.count("error")
    await caller.socket.send(data)
    await caller.wait("error", before + 1)
    await caller.settled()
    assert caller.count("error") == before + 2, "one error, and the one of the mark"
    error: Frame = caller.of("error")[before]["error"]
    assert error["type"] == "invalid_request_error"
    assert isinstance(error["code"], str)
    assert error["code"]
    assert 10 < len(error["message"]) < 1_000
    return error


async def lives(caller: Caller) -> None:
    """A turn of voice, as if nothing had been."""
    done = caller.count("response.done")
    await caller.say()
    response = (await caller.wait("response.done", done + 1))["response"]
    assert response["status"] == "completed"
    assert caller.count("response.output_audio.delta") > 0
    caller.checker.rest()
