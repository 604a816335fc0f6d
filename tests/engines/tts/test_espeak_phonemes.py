from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from duologue.engines.tts import espeak_phonemes
from duologue.engines.tts.espeak_phonemes import EspeakPhonemes
from duologue.errors import EngineUnavailable


@pytest.fixture
def espeak() -> Iterator[EspeakPhonemes]:
    espeak = EspeakPhonemes()
    yield espeak
    espeak.close()


def test_every_line_has_its_own_answer(espeak: EspeakPhonemes) -> None:
    lines = ["Good morning, world.", "", "...", "25 cats"]
    assert espeak.ipa("en-us", lines) == ["ɡˈʊd mˈɔː^ɹnɪŋ wˈɜːld", "", "", "twˈɛnti fˈa^ɪv kˈæts"]


def test_several_clauses_are_one_line(espeak: EspeakPhonemes) -> None:
    (ipa,) = espeak.ipa("en-us", ["One. Two! Three?"])
    assert ipa == "wˌʌn tˈuː θɹˈiː"


def test_languages_take_turns(espeak: EspeakPhonemes) -> None:
    assert espeak.ipa("es", ["niño"]) == ["nˈiɲo"]
    assert espeak.ipa("hi", ["नमस्ते"]) == ["nəmˈʌsteː"]
    assert espeak.ipa("es", ["niño"]) == ["nˈiɲo"]


def test_commands_and_odd_characters_are_no_commands(espeak: EspeakPhonemes) -> None:
    plain = espeak.ipa("en-us", ["a word"])
    assert espeak.ipa("en-us", ["a \x01\x00\ud800word"]) == plain
    assert len(espeak.ipa("en-us", ["first\nsecond"])) == 1


def test_an_unknown_language_is_said_and_harms_nothing(espeak: EspeakPhonemes) -> None:
    with pytest.raises(EngineUnavailable, match="no voice xx"):
        espeak.ipa("xx", ["word"])
    assert espeak.ipa("en-us", ["word"]) == ["wˈɜːd"]


def test_threads_get_their_own_answers(espeak: EspeakPhonemes) -> None:
    words = ["cat", "dog", "house", "mouse"] * 20
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda word: espeak.ipa("en-us", [word])[0], words))
    assert answers == ["kˈæt", "dˈɑːɡ", "hˈa^ʊs", "mˈa^ʊs"] * 20


def test_a_killed_process_is_replaced(espeak: EspeakPhonemes) -> None:
    assert espeak.ipa("en-us", ["cat"]) == ["kˈæt"]
    process_id = espeak.process_id
    assert process_id is not None
    os.kill(process_id, signal.SIGKILL)
    assert espeak.ipa("en-us", ["cat"]) == ["kˈæt"]
    assert espeak.process_id != process_id


def test_a_process_that_hangs_is_replaced(espeak: EspeakPhonemes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert espeak.ipa("en-us", ["cat"]) == ["kˈæt"]
    process_id = espeak.process_id
    assert process_id is not None
    # Long enough for a new process to start on a busy machine.
    monkeypatch.setattr(espeak_phonemes, "_ANSWER_TIMEOUT_S", 1.0)
    os.kill(process_id, signal.SIGSTOP)
    assert espeak.ipa("en-us", ["cat"]) == ["kˈæt"]
    assert espeak.process_id != process_id


def test_closing_ends_the_process(espeak: EspeakPhonemes) -> None:
    assert espeak.process_id is None
    espeak.ipa("en-us", ["cat"])
    process_id = espeak.process_id
    assert process_id is not None
    espeak.close()
    espeak.close()
    assert espeak.process_id is None
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
