"""Sounds that were encoded lately, found again by their samples."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from duologue.audio.frame import Float32
from duologue.engines.speech.rows import Sound

# 64 turns of up to 30 s. At full size (3,072 numbers of two bytes a position) that is 147 MB.
_MOST_TOKENS = 24_000


def digest(audio: Float32) -> bytes:
    """What tells one sound from another: the same samples give the same bytes. 2 ms for 30 s."""
    return hashlib.blake2b(audio.tobytes(), digest_size=16).digest()


class KeptSounds:
    """The last sounds, at most ``_MOST_TOKENS`` positions of them: an attempt made again, a transcript and a retry
    hear a turn that is there already."""

    def __init__(self) -> None:
        self._sounds: OrderedDict[bytes, Sound] = OrderedDict()

    def find(self, names: Iterable[bytes]) -> dict[bytes, Sound]:
        """Those of ``names`` that are kept."""
        found = {name: self._sounds[name] for name in names if name in self._sounds}
        for name in found:
            self._sounds.move_to_end(name)
        return found

    def keep(self, sounds: Mapping[bytes, Sound]) -> None:
        """Keep ``sounds`` by name; the oldest give way."""
        self._sounds.update(sounds)
        while len(self._sounds) > 1 and sum(kept.tokens for kept in self._sounds.values()) > _MOST_TOKENS:
            self._sounds.popitem(last=False)
