"""Leaves out what a reasoning model writes for itself: ``<think>...</think>`` is never spoken."""

from __future__ import annotations

import re

_TAG = re.compile(r"<(/?)(?:think|thinking)>", re.IGNORECASE)
_TAGS = ("<think>", "</think>", "<thinking>", "</thinking>")


class SpokenText:
    """Incremental: text in as it streams, the spoken part out. Tags may be cut anywhere between two deltas.

    A closing tag without an opening one (templates that open it in the prompt) is dropped by itself.
    """

    def __init__(self) -> None:
        self._pending = ""
        self._is_thought = False
        self._has_begun = False

    def feed(self, text: str) -> str:
        """The part of the text so far that is certainly spoken; the start of a possible tag waits."""
        self._pending += text
        spoken: list[str] = []
        while tag := _TAG.search(self._pending):
            if not self._is_thought:
                spoken.append(self._pending[: tag.start()])
            self._is_thought = not tag[1]
            self._pending = self._pending[tag.end() :]
        keep = _possible_tag(self._pending)
        cut = len(self._pending) - keep
        if not self._is_thought:
            spoken.append(self._pending[:cut])
        self._pending = self._pending[cut:]
        return self._begin("".join(spoken))

    def end(self) -> str:
        """What waited and turned out to be no tag."""
        rest, self._pending = self._pending, ""
        return "" if self._is_thought else self._begin(rest)

    def _begin(self, spoken: str) -> str:
        """Drop the white space before the first word."""
        if not self._has_begun:
            spoken = spoken.lstrip()
            self._has_begun = bool(spoken)
        return spoken


def _possible_tag(text: str) -> int:
    """How many characters at the end may be the start of a tag."""
    at = text.rfind("<")
    if at < 0:
        return 0
    tail = text[at:].lower()
    return len(tail) if any(tag.startswith(tail) for tag in _TAGS) else 0
