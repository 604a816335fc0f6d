"""Function calls as they stream in, whatever the server's dialect -> one delta after another, in order.

By the book the first piece of a call has its index, id and name, and every other the index and more of the
arguments. Seen besides: whole calls at once, all with the index 0 (Ollama); an id of its own on every piece (older
vLLM); no index, no id, the name repeated on every piece, arguments as an object or none at all.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import msgspec

from duologue.engines.base import ToolCallDelta
from duologue.engines.chat.openai_wire import CallPiece


@dataclass(slots=True)
class _Call:
    """One call so far. ``place``: the server's index, ``id``: the server's, "" where it has told none yet.

    What comes before the name waits for it.
    """

    index: int
    place: int | None
    id: str = ""
    name: str = ""
    arguments: str = ""

    @property
    def is_whole(self) -> bool:
        try:
            msgspec.json.decode(self.arguments)
        except msgspec.MsgspecError:
            return False
        return True


class ToolCalls:
    """Collects the calls of one answer. ``len`` counts those that have a name."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def __len__(self) -> int:
        return sum(bool(call.name) for call in self._calls)

    def feed(self, piece: CallPiece) -> ToolCallDelta | None:
        """What ``piece`` adds; None while it adds nothing that can be told yet."""
        name = (piece.function.name if piece.function else None) or ""
        arguments = _as_text(piece.function.arguments if piece.function else None)
        call = self._find(piece, name) or self._begin(piece)
        call.id = call.id or piece.id or ""
        call.arguments += arguments
        if call.name:
            return ToolCallDelta(call.index, arguments=arguments) if arguments else None
        if not name:
            return None
        call.name = name
        call.id = call.id or f"call_{secrets.token_hex(8)}"
        return ToolCallDelta(call.index, call.id, name, call.arguments)

    def end(self) -> list[ToolCallDelta]:
        """For each call without arguments that it has none: an empty text is no JSON."""
        return [ToolCallDelta(call.index, arguments="{}") for call in self._calls if call.name and not call.arguments]

    def _find(self, piece: CallPiece, name: str) -> _Call | None:
        """The call that ``piece`` goes on with; None where it begins another."""
        if piece.index is not None:
            known = next((call for call in reversed(self._calls) if call.place == piece.index), None)
        elif piece.id:
            known = next((call for call in self._calls if call.id == piece.id), None)
            if known is None and not name and self._calls:
                known = self._calls[-1]
        else:
            known = self._calls[-1] if self._calls else None
        if known is None or not name or not known.name:
            return known
        is_same = known.id == piece.id if piece.id else not known.is_whole
        return known if is_same else None

    def _begin(self, piece: CallPiece) -> _Call:
        self._calls.append(_Call(len(self._calls), piece.index, piece.id or ""))
        return self._calls[-1]


def _as_text(arguments: Any) -> str:
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return msgspec.json.encode(arguments).decode()
