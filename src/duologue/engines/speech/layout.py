"""How a conversation is written for Voxtral: messages -> atoms (see ``rows``).

The template is that of mistral-common's tokenizer v7 and its TranscriptionRequest
(https://github.com/mistralai/mistral-common, ``tokens/tokenizers/instruct.py``)::

    <s>[INST]instructions[BEGIN_AUDIO][AUDIO]...[/INST]answer</s>[INST][BEGIN_AUDIO][AUDIO]...[/INST]
    <s>[INST][BEGIN_AUDIO][AUDIO]...[/INST]lang:en[TRANSCRIBE]

That tokenizer forbids a system prompt beside sound, so instructions are text of the first user message, before its
sound: there they are also a beginning that every turn shares.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from duologue.audio.frame import SESSION_RATE_HZ
from duologue.engines.base import ChatMessage
from duologue.engines.speech.rows import Sound, sound_atoms
from duologue.errors import EngineError, EngineUnavailable

# What mistral-common puts between two texts that it makes one message of.
_JOIN = "\n\n"
# Leaving a turn out moves all that follows, which must be filled again: so four go at a time.
_TURNS_LEFT_OUT = 4
# An answer must have room for this much, about a minute of speech, before old turns are kept for it.
_ANSWER_TOKENS = 256

# A sound is heard in windows of 30 s, begun ones whole: 375 positions each.
_WINDOW_SAMPLES = 30 * SESSION_RATE_HZ
_WINDOW_TOKENS = 375

_Role = Literal["user", "assistant"]
_Part = str | Sound
# One message of the template: who speaks, and what in order.
_Said = tuple[_Role, list[_Part]]


class Layout:
    """Prompts for one model folder's tokenizer and rows of ``row_tokens`` positions."""

    def __init__(self, folder: Path, row_tokens: int) -> None:
        """Read ``tekken.json``. Raises EngineUnavailable when it is missing or not a Voxtral's."""
        self._tokens = _read_tokens(folder / "tekken.json")
        self.row_tokens = row_tokens
        names = ("<s>", "</s>", "[INST]", "[/INST]", "[BEGIN_AUDIO]", "[TRANSCRIBE]")
        try:
            ids = [int(self._tokens.get_special_token(name)) for name in names]
        except ValueError as error:
            raise EngineUnavailable(f"{folder} holds no Voxtral: its tekken.json has no token for sound") from error
        self._bos, self._eos, self._inst, self._end_inst, self._begin_audio, self._transcribe = ids

    def token_bytes(self, token: int) -> bytes:
        """What ``token`` adds to the text, in UTF-8; a special token adds nothing."""
        piece: bytes = self._tokens.id_to_byte_piece(token)
        return piece

    def has_room(self, samples: int) -> bool:
        """Whether a row holds a sound of ``samples`` at 16 kHz."""
        return -(-samples // _WINDOW_SAMPLES) * _WINDOW_TOKENS <= self.row_tokens

    def require_room(self, samples: int) -> None:
        """Raises EngineError for a sound of ``samples`` at 16 kHz that no row holds, before it is encoded."""
        if not self.has_room(samples):
            longest_s = self.row_tokens // _WINDOW_TOKENS * _WINDOW_SAMPLES // SESSION_RATE_HZ
            raise EngineError(
                f"this sound is too long: it has {samples // SESSION_RATE_HZ} s and {longest_s} s fit; "
                "send it in shorter turns, or set a larger context_tokens"
            )

    def prompt(
        self, messages: Sequence[ChatMessage], sounds: Sequence[Sound | None], max_tokens: int | None
    ) -> list[int]:
        """The conversation, ready for its answer of at most ``max_tokens``. ``sounds``: of each message, or None.

        Where it is longer than a row the oldest turns are left out, whole; the instructions stay. Raises EngineError
        when the last turn alone is too long.
        """
        instructions, turns = _in_turns(messages, sounds)
        room = self.row_tokens - min(max_tokens or _ANSWER_TOKENS, _ANSWER_TOKENS, self.row_tokens // 4)
        written = self._write(instructions, turns)
        left_out = 0
        while len(written) > room:
            if left_out >= len(turns) - 1:
                raise EngineError(
                    f"this turn is too long: it takes {len(written)} tokens and {room} fit; "
                    "make the turn or the instructions shorter, or set a larger context_tokens"
                )
            left_out = min(left_out + _TURNS_LEFT_OUT, len(turns) - 1)
            written = self._write(instructions, turns[left_out:])
        return written

    def beginning(self, messages: Sequence[ChatMessage], sounds: Sequence[Sound | None]) -> list[int]:
        """What any answer's prompt will begin with once more is said: the last user message is left open.

        Raises EngineError as ``prompt`` does.
        """
        whole = self.prompt(messages, sounds, None)
        return whole[:-1] if whole[-2] != self._inst else whole[:-2]

    def transcription(self, sound: Sound, language: str | None) -> list[int]:
        """What the words of ``sound`` follow. ``language``: ISO 639-1, None to let the model find out.

        Raises EngineError when the sound is longer than a row.
        """
        spoken_in = self._text(f"lang:{language}") if language else []
        written = [self._bos, *self._message(("user", [sound])), *spoken_in, self._transcribe]
        if len(written) >= self.row_tokens:
            raise EngineError(
                f"this sound is too long to transcribe: it takes {len(written)} tokens and {self.row_tokens} fit"
            )
        return written

    def _write(self, instructions: list[_Part], turns: Sequence[list[_Said]]) -> list[int]:
        said: list[_Said] = [("user", instructions)] if instructions else []
        said += [message for turn in turns for message in turn]
        merged = _merged(said)
        if not merged or merged[-1][0] == "assistant":
            merged.append(("user", []))
        return [self._bos, *(atom for message in merged for atom in self._message(message))]

    def _message(self, message: _Said) -> list[int]:
        role, parts = message
        atoms: list[int] = []
        for is_text, group in groupby(parts, lambda part: isinstance(part, str)):
            if is_text:
                atoms += self._text(_JOIN.join(str(part) for part in group), is_answer=role == "assistant")
            else:
                for sound in group:
                    assert isinstance(sound, Sound)
                    atoms += [self._begin_audio, *sound_atoms(sound)]
        return [self._inst, *atoms, self._end_inst] if role == "user" else [*atoms, self._eos]

    def _text(self, text: str, *, is_answer: bool = False) -> list[int]:
        # mistral-common cuts the blanks off an answer's end, and off nothing else.
        encoded: list[int] = self._tokens.encode(text.rstrip(" ") if is_answer else text, bos=False, eos=False)
        return encoded


def _in_turns(messages: Sequence[ChatMessage], sounds: Sequence[Sound | None]) -> tuple[list[_Part], list[list[_Said]]]:
    """(instructions, turns): a turn begins where the user speaks after the assistant, and with each sound: turns that
    got no answer must not pile up to one that never fits.

    A system message after the beginning is text of the user's at its place. This model is given no functions to
    call, so messages about calls are left out.
    """
    instructions: list[_Part] = []
    turns: list[list[_Said]] = []
    for message, sound in zip(messages, sounds, strict=True):
        part = sound if sound is not None else message.content
        if not part or message.role == "tool":
            continue
        role: _Role = "assistant" if message.role == "assistant" else "user"
        if message.role == "system" and not turns:
            instructions.append(part)
        elif not turns or (role == "user" and (turns[-1][-1][0] == "assistant" or sound is not None)):
            turns.append([(role, [part])])
        else:
            turns[-1].append((role, [part]))
    return instructions, turns


def _merged(said: Iterable[_Said]) -> list[_Said]:
    """Roles alternate: what one speaker says in a row becomes one message."""
    return [
        (role, [part for _, parts in group for part in parts])
        for role, group in groupby(said, lambda message: message[0])
    ]


def _read_tokens(path: Path) -> Any:
    try:
        from mistral_common.tokens.tokenizers.tekken import Tekkenizer
    except ImportError as error:
        raise EngineUnavailable('mistral-common is not installed: run: pip install "duologue[voxtral]"') from error
    try:
        return Tekkenizer.from_file(path)
    except (AssertionError, KeyError, OSError, ValueError) as error:
        raise EngineUnavailable(f"{path} cannot be read: is the whole model there? ({error})") from error
