"""What a chat server's failures are called, and what to do about them."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

import msgspec

from duologue.engines.chat.openai_wire import Chunk, decode_chunk
from duologue.engines.http import error_text, shorten
from duologue.errors import EngineError, EngineLost, EngineUnavailable


class FarSide:
    """``url``: the server's address as it may be shown."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        # A user and password belong in no log.
        self.url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    def decode(self, payload: str | bytes) -> Chunk:
        """Raises EngineError for what is no chunk, and for one that tells of a failure."""
        data = payload.encode() if isinstance(payload, str) else payload
        try:
            chunk = decode_chunk(data)
        except msgspec.MsgspecError as error:
            said = shorten(data.decode("utf-8", "replace"))
            raise EngineError(f"{self.url} sent no chat completion: {said}") from error
        if chunk.has_failed:
            raise EngineError(f"{self.url} failed: {error_text(data)}")
        return chunk

    def away(self) -> str:
        return f"no chat server answers at {self.url}: start it, or give its address with --llm"

    def silent(self) -> str:
        return f"the chat server at {self.url} sent no token in time: it may be loading its model, or be busy"

    def broken_off(self) -> str:
        return f"the chat server at {self.url} broke off its answer; is it still up?"

    def refusal(self, status: int, body: bytes, model: str) -> EngineError:
        """What a status means: 429 and 5xx are "away for now", 401 to 404 a setting, the rest the request."""
        said = error_text(body)
        if status in {401, 403}:
            return EngineUnavailable(f"{self.url} refuses the key ({status}): set OPENAI_API_KEY. It says: {said}")
        if status == 404:
            advice = "check --llm and --llm-model"
            return EngineUnavailable(f"{self.url} knows no model {model!r} (404): {advice}. It says: {said}")
        if status == 429:
            advice = "wait, or raise its limit"
            return EngineLost(f"{self.url} takes no more requests now (429): {advice}. It says: {said}")
        kind = EngineLost if status >= 500 else EngineError
        return kind(f"{self.url} answered with status {status}. It says: {said}")
