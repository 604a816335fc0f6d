"""The prompts are token for token what mistral-common writes for the same conversation."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.engines.speech.talk import noise

from duologue.audio.frame import Float32
from duologue.engines.base import ChatMessage, ToolCall
from duologue.engines.speech.layout import Layout
from duologue.engines.speech.rows import Sound, sound_atoms
from duologue.errors import EngineError, EngineUnavailable

pytest.importorskip("mistral_common")
soundfile = pytest.importorskip("soundfile")

_AUDIO_TOKEN = 24
_SECOND = noise(0)
_SOUND = Sound(7, 375, None)
_LONG_SOUND = Sound(8, 750, None)


@pytest.fixture(scope="module")
def reference(tokens_folder: Path) -> Any:
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

    return MistralTokenizer.from_file(str(tokens_folder / "tekken.json"))


def _wav(audio: Float32) -> str:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, 16_000, format="WAV")
    return base64.b64encode(buffer.getvalue()).decode()


def _sound_chunk(audio: Float32) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": _wav(audio), "format": "wav"}}


def _text_chunk(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _reference_tokens(reference: Any, messages: list[dict[str, Any]]) -> list[int]:
    from mistral_common.protocol.instruct.request import ChatCompletionRequest

    tokens: list[int] = reference.encode_chat_completion(ChatCompletionRequest.from_openai(messages)).tokens
    return tokens


def _as_tokens(atoms: list[int]) -> list[int]:
    return [_AUDIO_TOKEN if atom < 0 else atom for atom in atoms]


def _user(text: str) -> ChatMessage:
    return ChatMessage("user", text)


def _assistant(text: str) -> ChatMessage:
    return ChatMessage("assistant", text)


_SYSTEM = ChatMessage("system", "You are terse.")
_TURN = ChatMessage("user", "", audio=_SECOND)


def test_the_first_turn_has_the_instructions_before_its_sound(layout: Layout, reference: Any) -> None:
    atoms = layout.prompt([_SYSTEM, _TURN], [None, _SOUND], None)
    message = {"role": "user", "content": [_text_chunk("You are terse."), _sound_chunk(_SECOND)]}
    assert _as_tokens(atoms) == _reference_tokens(reference, [message])
    assert [atom for atom in atoms if atom < 0] == sound_atoms(_SOUND)


def test_older_turns_are_text(layout: Layout, reference: Any) -> None:
    messages = [_SYSTEM, _user("Where is the Eiffel tower?"), _assistant("In Paris. "), _TURN]
    atoms = layout.prompt(messages, [None, None, None, _SOUND], None)
    expected = [
        {"role": "user", "content": [_text_chunk("You are terse."), _text_chunk("Where is the Eiffel tower?")]},
        {"role": "assistant", "content": "In Paris. "},
        {"role": "user", "content": [_sound_chunk(_SECOND)]},
    ]
    assert _as_tokens(atoms) == _reference_tokens(reference, expected)


def test_several_sounds_keep_their_places(layout: Layout, reference: Any) -> None:
    long = noise(1, 40.0)
    messages = [ChatMessage("user", "", audio=long), _assistant("Quite so."), _user("Wait:"), _TURN]
    atoms = layout.prompt(messages, [_LONG_SOUND, None, None, _SOUND], None)
    expected = [
        {"role": "user", "content": [_sound_chunk(long)]},
        {"role": "assistant", "content": "Quite so."},
        {"role": "user", "content": [_text_chunk("Wait:"), _sound_chunk(_SECOND)]},
    ]
    assert _as_tokens(atoms) == _reference_tokens(reference, expected)


def test_roles_that_do_not_alternate_are_merged(layout: Layout, reference: Any) -> None:
    messages = [_user("One."), _user("Two."), _assistant("Three."), _assistant("Four."), _user("Five."), _TURN]
    atoms = layout.prompt(messages, [None, None, None, None, None, _SOUND], None)
    expected = [
        {"role": "user", "content": "One."},
        {"role": "user", "content": "Two."},
        {"role": "assistant", "content": "Three."},
        {"role": "assistant", "content": "Four."},
        {"role": "user", "content": "Five."},
        {"role": "user", "content": [_sound_chunk(_SECOND)]},
    ]
    assert _as_tokens(atoms) == _reference_tokens(reference, expected)


@pytest.mark.parametrize("language", ["en", "fr", None])
def test_a_transcription_is_mistral_commons_own(layout: Layout, reference: Any, language: Any) -> None:
    from mistral_common.protocol.transcription.request import TranscriptionRequest

    request = TranscriptionRequest(model="voxtral", audio=_wav(_SECOND), language=language)
    assert _as_tokens(layout.transcription(_SOUND, language)) == reference.encode_transcription(request).tokens


def test_what_the_template_has_no_place_for_is_left_out(layout: Layout) -> None:
    call = ChatMessage("assistant", "", tool_calls=(ToolCall("1", "clock", "{}"),))
    tool = ChatMessage("tool", "12:00", tool_call_id="1")
    with_calls = [_SYSTEM, _user("When?"), call, tool, _assistant("At noon."), _assistant(""), _TURN]
    plain = [_SYSTEM, _user("When?"), _assistant("At noon."), _TURN]
    atoms = layout.prompt(with_calls, [None] * 6 + [_SOUND], None)
    assert atoms == layout.prompt(plain, [None] * 3 + [_SOUND], None)


def test_special_tokens_in_text_are_only_text(layout: Layout) -> None:
    atoms = layout.prompt([_user("[/INST] </s> [TRANSCRIBE]")], [None], None)
    assert atoms[:2] == [1, 3]
    assert atoms[-1] == 4
    assert min(atoms[2:-1]) >= 100


def test_a_beginning_is_shared_by_what_follows(layout: Layout) -> None:
    said = [_SYSTEM, _user("Hello"), _assistant("Hello you.")]
    beginning = layout.beginning(said, [None] * 3)
    assert layout.prompt([*said, _TURN], [None] * 3 + [_SOUND], None)[: len(beginning)] == beginning
    instructions = layout.beginning([_SYSTEM], [None])
    assert layout.prompt([_SYSTEM, _TURN], [None, _SOUND], None)[: len(instructions)] == instructions


def test_a_conversation_longer_than_a_row_loses_its_oldest_turns(layout: Layout) -> None:
    turns = [message for turn in range(60) for message in (_user(f"Turn {turn}. " * 8), _assistant("I see. " * 8))]
    messages = [_SYSTEM, *turns, _TURN]
    atoms = layout.prompt(messages, [None] * (len(messages) - 1) + [_SOUND], None)
    text = _text_of(layout, atoms)
    assert layout.row_tokens - 700 < len(atoms) <= layout.row_tokens - 256
    assert text.startswith("You are terse.\n\nTurn ")
    first = int(text.split("Turn ")[1].split(".")[0])
    assert first % 4 == 0
    assert text.count("I see. I see.") // 4 == 60 - first
    assert atoms[-376:-1] == sound_atoms(_SOUND)


def test_turns_are_left_out_in_blocks_so_that_the_beginning_stays(layout: Layout) -> None:
    turns = [message for turn in range(60) for message in (_user(f"Turn {turn}. " * 8), _assistant("I see. " * 8))]
    starts = set()
    for count in range(44, 52):
        messages = [_SYSTEM, *turns[: 2 * count], _TURN]
        starts.add(tuple(layout.prompt(messages, [None] * (len(messages) - 1) + [_SOUND], None)[:20]))
    assert len(starts) <= 3


def test_a_turn_that_cannot_fit_is_refused(layout: Layout) -> None:
    with pytest.raises(EngineError, match="too long: it takes 37"):
        layout.prompt([_SYSTEM, _TURN], [None, Sound(1, 3750, None)], None)
    with pytest.raises(EngineError, match="too long to transcribe"):
        layout.transcription(Sound(1, 3750, None), "en")


def test_a_tokenizer_that_knows_no_sound_is_refused(tmp_path: Path) -> None:
    from duologue.engines.weights import packaged_file

    with pytest.raises(EngineUnavailable, match="is the whole model there"):
        Layout(tmp_path, 2048)
    plain = packaged_file("mistral_common", "data/tekken_240911.json")
    (tmp_path / "tekken.json").symlink_to(plain)
    with pytest.raises(EngineUnavailable, match="holds no Voxtral"):
        Layout(tmp_path, 2048)


def _text_of(layout: Layout, atoms: list[int]) -> str:
    return b"".join(layout.token_bytes(atom) for atom in atoms if atom >= 0).decode()


def test_the_end_of_an_open_message_is_not_an_answer(layout: Layout) -> None:
    """A conversation that ends with the assistant still gets a user's message, for the model to answer."""
    atoms = layout.prompt([_user("Hello"), _assistant("Hello you.")], [None, None], None)
    assert atoms[-3:] == [2, 3, 4]
    assert np.array(atoms).min() >= 0
