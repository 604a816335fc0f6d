"""Server-sent events, as far as chat servers use them (WHATWG HTML, section 9.2): bytes in, data payloads out.

The client library's own reader insists on the content type, which several chat servers get wrong, and drops a
last event that no blank line follows.
"""

from __future__ import annotations

from duologue.errors import EngineError

# One event of a chat stream is a few hundred bytes; a line without an end must not fill the memory.
_MAX_PENDING_BYTES = 1_048_576


class SseReader:
    """Incremental reader. Only ``data`` fields matter here; comments and other fields are passed over."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[str]:
        """The payloads of the events that end in this chunk. Raises EngineError on an event without end."""
        self._pending += chunk
        *lines, rest = self._pending.split(b"\n")
        self._pending = bytearray(rest)
        payloads = [payload for line in lines if (payload := self._line(bytes(line))) is not None]
        if len(self._pending) + sum(map(len, self._data)) > _MAX_PENDING_BYTES:
            raise EngineError("the chat server sent an event of more than 1 MiB; it speaks another protocol")
        return payloads

    def end(self) -> list[str]:
        """What the last bytes still hold, where the server left out the closing blank line."""
        first = self._line(bytes(self._pending))
        self._pending.clear()
        last = self._line(b"")
        return [payload for payload in (first, last) if payload is not None]

    def _line(self, line: bytes) -> str | None:
        text = line.rstrip(b"\r").decode("utf-8", "replace").removeprefix("\ufeff")
        if not text:
            payload = "\n".join(self._data) if self._data else None
            self._data.clear()
            return payload
        field, _, value = text.partition(":")
        if field == "data":
            self._data.append(value.removeprefix(" "))
        return None
