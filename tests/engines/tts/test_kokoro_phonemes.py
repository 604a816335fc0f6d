from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from duologue.engines.tts import kokoro_symbols as symbols
from duologue.engines.tts.kokoro_phonemes import Phonemes, missing
from duologue.engines.tts.kokoro_symbols import Vocabulary
from duologue.errors import EngineUnavailable

ALPHABET = (
    ';:,.!?—…"()“” \u0303ʣʥʦʨᵝꭧAIOQSTWYᵊabcdefhijklmnopqrstuvwxyzɑɐɒæβɔɕçɖðʤəɚɛɜɟɡɥɨɪʝɯɰŋɳɲɴøɸθœɹɾɻʁɽʂʃʈʧʊʋʌɣɤχʎʒʔˈˌː'
    "ʰʲ↓→↗↘ᵻ"
)
VOCABULARY = Vocabulary({symbol: number for number, symbol in enumerate(ALPHABET, 1)})

needs_misaki = pytest.mark.skipif(importlib.util.find_spec("misaki") is None, reason="needs the misaki wheel")


@pytest.fixture(scope="module")
def phonemes() -> Iterator[Phonemes]:
    phonemes = Phonemes(VOCABULARY)
    yield phonemes
    phonemes.close()


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[Phonemes]:
    """As on a machine without misaki."""
    find_spec = importlib.util.find_spec

    def without_misaki(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name.startswith("misaki") else find_spec(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without_misaki)
    phonemes = Phonemes(VOCABULARY)
    yield phonemes
    phonemes.close()


def sounds(phonemes: Phonemes, text: str, language: str) -> str:
    return "".join(sound.symbols for sound in phonemes.sounds(text, language))


def places(phonemes: Phonemes, text: str, language: str) -> list[tuple[str, str]]:
    found = phonemes.sounds(text, language)
    return [(sound.symbols, text[sound.start : sound.end]) for sound in found if sound.end > sound.start]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("e", "Hola, ¿cómo estás?", "ˈola, kˈomo estˈas?"),
        ("f", "Bonjour, « les enfants »...", "bɔ̃ʒˈuʁ, “lez ɑ̃fˈɑ̃”…"),
        ("h", "नमस्ते, आप कैसे हैं।", "nəmˈʌsteː, ˌaːp kˈɛːseː hɛ̃."),
        ("h", "मेरा laptop काम नहीं कर रहा", "mˌeːɾaː lˈaptɒp kˈaːm nˈʌhi\u0303 kˈʌɾ ɾˌəhaː"),
        ("i", "Buongiorno, la pizza!", "bʊonʤˈɔrno, la pˈiʦːa!"),
        ("p", "Olá, tudo bem? Não.", "olˈa, tˈudʊ bˈAŋ? nˈɐ̃ʊ̃."),
        ("e", "", ""),
        ("h", "!!!", ""),
        ("f", "\U0001f600", ""),
    ],
)
def test_languages_by_espeak(phonemes: Phonemes, language: str, text: str, expected: str) -> None:
    assert sounds(phonemes, text, language) == expected


@pytest.mark.parametrize("language", "efhip")
def test_all_that_espeak_says_is_in_the_alphabet(phonemes: Phonemes, language: str) -> None:
    text = {
        "e": "El niño llegó ayer con guantes, queso y chorizo; ¡qué vergüenza!",
        "f": "Un bon vin blanc, huit œufs et la peur du montagnard.",
        "h": "मैं ठीक हूँ, धन्यवाद। छोटा लड़का ज़रूर पढ़ेगा।",
        "i": "Gli gnocchi dello zio sono sciolti nel bagno.",
        "p": "Os filhos não querem manhãs chuvosas no Rio de Janeiro.",
    }[language]
    said = sounds(phonemes, text, language)
    unknown = {symbol for symbol in said if not VOCABULARY.numbers(symbol)}
    assert unknown == set()


def test_numbers_that_become_several_words_keep_their_place(phonemes: Phonemes) -> None:
    assert places(phonemes, "Tengo 25,5 años.", "e") == [
        ("tˈɛŋɡo", "Tengo"),
        ("βˌAntiθˈinko", "25,5"),
        ("kˌoma", "25,5"),
        ("θˈinko", "25,5"),
        ("ˈaɲos", "años"),
    ]


@needs_misaki
def test_english_goes_by_the_lexicon(phonemes: Phonemes) -> None:
    assert sounds(phonemes, "I read it to Kokoro yesterday.", "a") == "ˌI ɹˈɛd ɪt tə kəkˈɔɹO jˈɛstəɹdˌA."
    assert sounds(phonemes, "The car's here.", "b") == "ðə kˈɑːz hˈɪə."


def test_without_misaki_english_goes_by_espeak(bare: Phonemes) -> None:
    text = 'It\'s 9:05, one of the cats — cost $3.50! "Yes" (no)'
    expected = "ɪts nˈIn ˈO fˈIv, wˈʌn ʌvðə kˈæts — kˈɔst θɹˈi dˈɑləɹz ænd fˈɪfti sˈɛnts! “jˈɛs” (nˈO)"
    assert sounds(bare, text, "a") == expected
    assert ("ʌvðə", "of the") in places(bare, text, "a")
    assert sounds(bare, "the car is near", "b") == "ðə kˈɑːɹ ɪz nˈɪə"


@pytest.mark.parametrize("language", "ab")
def test_espeaks_english_is_in_the_alphabet(bare: Phonemes, language: str) -> None:
    text = (
        "Thirty-three measured, joyful birds chew the beige shawl; Loch Ness, hour, button, bottle, poor, fire, very."
    )
    assert {symbol for symbol in sounds(bare, text, language) if not VOCABULARY.numbers(symbol)} == set()


def test_control_characters_are_no_commands(bare: Phonemes) -> None:
    assert sounds(bare, "a \x01\x00\ud800word", "a") == sounds(bare, "a word", "a")


def test_threads_share_it(phonemes: Phonemes) -> None:
    texts = [("Hola amigo", "e"), ("Kokoro and Zyxtub", "a"), ("नमस्ते", "h"), ("Zyxtub", "b")] * 8
    alone = [sounds(phonemes, *text) for text in texts[:4]]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: sounds(phonemes, *text), texts)) == alone * 8


@pytest.mark.parametrize(("language", "packages"), [("j", "pyopenjtalk"), ("z", "pypinyin")])
def test_what_japanese_and_chinese_need_is_said(phonemes: Phonemes, language: str, packages: str) -> None:
    if not missing(language):
        pytest.skip("its packages are installed")
    assert packages in missing(language)
    with pytest.raises(EngineUnavailable, match="pip install"):
        phonemes.sounds("你好", language)


def test_a_letter_that_is_no_language_is_said() -> None:
    assert "one of a b e f h i j p z" in missing("q")


@needs_misaki
def test_nothing_reaches_for_a_network_or_a_heavy_package() -> None:
    code = """
import sys

def guard(event, args):
    if event.startswith(("socket.", "urllib.", "http.", "ftplib.")):
        raise RuntimeError(f"{event}: {args}")

sys.addaudithook(guard)
from duologue.engines.tts.kokoro_phonemes import Phonemes
from duologue.engines.tts.kokoro_symbols import Vocabulary
phonemes = Phonemes(Vocabulary({"a": 1}))
for language in "abefhip":
    assert phonemes.sounds("Kokoro 25, naïve OpenAI", language), language
phonemes.close()
print(sorted({"spacy", "misaki", "phonemizer", "torch", "transformers", "huggingface_hub"} & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


def test_the_vocabulary_is_found_in_either_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "style_text_to_speech_2"}')
    with pytest.raises(EngineUnavailable, match="pull the model again"):
        Vocabulary.read(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": {"vocab": {"$": 0, "a": 43}}}')
    assert Vocabulary.read(tmp_path).numbers("aba") == [43, 43]
    (tmp_path / "config.json").write_text('{"vocab": {"a": 1, "b": 2}}')
    assert Vocabulary.read(tmp_path).numbers("aba") == [1, 2, 1]


def test_accents_are_taken_apart_where_the_alphabet_wants_it() -> None:
    vocabulary = Vocabulary({"a": 1, "\u0303": 2, "ç": 3})
    assert vocabulary.numbers("ãç") == [1, 2, 3]


@pytest.mark.parametrize(
    ("ipa", "american", "british"),
    [
        ("t^ʃˈe^ɪnd^ʒ", "ʧˈAnʤ", "ʧˈAnʤ"),
        ("bˈɒtə^l nˈə^ʊ", "bˈɒtᵊl nˈəʊ", "bˈɒtᵊl nˈQ"),
        ("wˈɜːld nˈo^ʊ", "wˈɜɹld nˈO", "wˈɜːld nˈɔʊ"),
        ("bˈʌʔn̩ lˈɪɾə^l", "bˈʌtn lˈɪTᵊl", "bˈʌtn lˈɪɹᵊl"),
        ("fˈe^ə nˈi^ə", "fˈAə nˈiə", "fˈɛː nˈɪə"),
        ("(^f^r)vˈi(^e^n-^u^s)", "vˈi", "vˈi"),
    ],
)
def test_english_ipa_is_rewritten(ipa: str, american: str, british: str) -> None:
    assert symbols.american(ipa) == american
    assert symbols.british(ipa) == british
