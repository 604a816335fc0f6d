"""What was said in sounds of late: for prompts that carry a turn as its words, and for sounds that come again."""

from __future__ import annotations

from collections import OrderedDict

from duologue.audio.frame import Float32
from duologue.engines.speech.kept_sounds import digest

_MAX_SOUNDS = 1024


class Heard:
    """Sound -> its words. A cache of 1,024 sounds: losing one costs a transcription."""

    def __init__(self) -> None:
        self._words: OrderedDict[bytes, str] = OrderedDict()

    def words(self, audio: Float32) -> str | None:
        """None where they are not known."""
        key = digest(audio)
        if key in self._words:
            self._words.move_to_end(key)
        return self._words.get(key)

    def remember(self, audio: Float32, words: str) -> None:
        """``words`` were said in ``audio``."""
        key = digest(audio)
        self._words[key] = words
        self._words.move_to_end(key)
        if len(self._words) > _MAX_SOUNDS:
            self._words.popitem(last=False)
