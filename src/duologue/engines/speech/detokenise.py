"""Tokens -> text as they come."""

from __future__ import annotations

import codecs
from collections.abc import Callable


class Words:
    """The text of one run of tokens. A character is given when its last byte is there; bytes that are no UTF-8
    are left out. ``token_bytes``: token -> what it adds."""

    def __init__(self, token_bytes: Callable[[int], bytes]) -> None:
        self._token_bytes = token_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")

    def feed(self, token: int) -> str:
        """What can be read of ``token`` and those before it; may be ""."""
        return self._decoder.decode(self._token_bytes(token))
