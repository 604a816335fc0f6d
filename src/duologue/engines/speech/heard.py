"""What was said in sounds of late: for prompts that carry a turn as its words, and for sounds that come again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from duologue.audio.frame import Float32

_MAX_SOUNDS = 1024


class Heard:
    """Sound -> its words. A cache of 1,024 sounds: losing one costs a transcription."""

    def __init__(self) -> None:
        self._words: OrderedDict[bytes, str] = OrderedDict()

    def words(self, audio: Float32) -> str | None:
        """None where they are not known."""
        key = _key(audio)
        if key in self._words:
            self._words.move_to_end(key)
        return self._words.get(key)

    def remember(self, audio: Float32, words: str) -> None:
        """``words`` were said in ``audio``."""
        self._words[_key(audio)] = words
        self._words.move_to_end(_key(audio))
        if len(self._words) > _MAX_SOUNDS:
            self._words.popitem(last=False)


def _key(audio: Float32) -> bytes:
    return hashlib.blake2b(audio.tobytes(), digest_size=16).digest()
