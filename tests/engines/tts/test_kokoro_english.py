"""Whole sentences in Kokoro's symbols, judged by ear and by the alphabet's description when they were written down."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from duologue.engines.tts import kokoro_symbols as symbols
from duologue.engines.tts.espeak_phonemes import EspeakPhonemes
from duologue.engines.tts.kokoro_english import English
from duologue.engines.tts.kokoro_lexicon import Lexicon
from duologue.engines.weights import packaged_file
from duologue.errors import EngineUnavailable

AMERICAN = [
    (
        "Hello there! How are you today?",
        "həlˈO ðˈɛɹ! hˌW ɑɹ ju tədˈA?",
    ),
    (
        "The apple and the banana cost $3.50, an hour ago.",
        "ði ˈæpᵊl ænd ðə bənˈænə kˈɔst θɹˈi dˈɑləɹz ænd fˈɪfti sˈɛnts, ɐn ˈWəɹ əɡˈO.",
    ),
    (
        "It's 5:30 p.m. on March 3rd, 2024.",
        "ˌɪts fˈIv θˈɜɹTi pˌiˈɛm ˌɔn mˈɑɹʧ θˈɜɹd, twˈɛnti twˈɛnti fˈɔɹ.",
    ),
    (
        "In 1987 there were 1,250 of them; by 2005, none.",
        "ɪn nˌIntˈin ˈATi sˈɛvən ðɛɹ wɜɹ wˈʌn θˈWzᵊnd tˈu hˈʌndɹəd fˈɪfti ʌv ðˌɛm; bI tˈu θˈWzᵊnd fˈIv, nˈʌn.",
    ),
    (
        "Dr. Smith's GPU costs $1,299 at NASA's shop.",
        "dˈɑktəɹ smˈɪθs ʤˌipˌijˈu kˈɔsts wˈʌn θˈWzᵊnd tˈu hˈʌndɹəd nˈIndi nˈIn dˈɑləɹz æt nˈæsəz ʃˈɑp.",
    ),
    (
        "The U.S. and the UK signed it.",
        "ðə jˌuˈɛs ænd ðə jˌukˈA sˈInd ɪt.",
    ),
    (
        "I am happy. Yes, I am.",
        "ˌI ɐm hˈæpi. jˈɛs, ˌI æm.",
    ),
    (
        "Come in! Come in and sit by the fire.",
        "kˈʌm ˈɪn! kˈʌm ɪn ænd sˈɪt bI ðə fˈIəɹ.",
    ),
    (
        "He gave it to an old man, to a child and to us.",
        "hˌi ɡˈAv ɪt tʊ ɐn ˈOld mˈæn, tʊ ɐ ʧˈIld ænd tʊ ˌʌs.",
    ),
    (
        "It's a 5-year-old's 20-minute rock 'n' roll show.",
        "ˌɪts ɐ fˈIv jˌɪɹˈOldz twˈɛnti mˈɪnət ɹˈɑk ˈɛn ɹˈOl ʃˈO.",
    ),
    (
        "The co-founder's well-known OpenAI API isn't state-of-the-art.",
        "ðə kˌOfˈWndəɹz wˌɛlnˈOn ˌOpᵊnˈAˌI ˌApˌiˈI ˈɪzᵊnt stˈAtʌvðiˌɑɹt.",
    ),
    (
        "I can't wait; I could've, I should've, they'll and there've been.",
        "ˌI kˈænt wˈAt; ˌI kˈʊdəv, ˌI ʃˌʊdəv, ðAl ænd ðɛɹəv bˌɪn.",
    ),
    (
        "The dogs' bowls and the cat's toys are James's.",
        "ðə dˈɔɡz bˈOlz ænd ðə kˈæts tˈYz ɑɹ ʤˈAmzᵻz.",
    ),
    (
        "THIS IS A VERY LOUD SENTENCE INDEED.",
        "ðɪs ɪz ɐ vˈɛɹi lˈWd sˈɛntᵊns ɪndˈid.",
    ),
    (
        "Plan A is a good plan, vitamin B is too.",
        "plˈæn ˈA ɪz ɐ ɡˈʊd plˈæn, vˈITəmən bˈi ɪz tˈu.",
    ),
    (
        'She whispered, "I\'m waiting" (quietly).',
        "ʃˌi wˈɪspəɹd, “ˌIm wˈATɪŋ” (kwˈIətli).",
    ),
    (
        "He visited, planned, hoped and hated waiting.",
        "hˌi vˈɪzɪTᵻd, plˈænd, hˈOpt ænd hˈATᵻd wˈATɪŋ.",
    ),
    (
        "Boxes, churches, cats, dogs and babies.",
        "bˈɑksᵻz, ʧˈɜɹʧᵻz, kˈæts, dˈɔɡz ænd bˈAbiz.",
    ),
    (
        "At 20 °C and 50% humidity, 5 km takes 30 min.",
        "ˌæt twˈɛnti dəɡɹˈiz sˈɛlsiəs ænd fˈɪfti pəɹsˈɛnt hjumˈɪdəTi, fˈIv kəlˈɑməTəɹz tˈAks θˈɜɹTi mˈɪnəts.",
    ),
    (
        "Mr. and Mrs. Jones live on Elm St. in St. Louis.",
        "mˈɪstəɹ ænd mˈɪsəz ʤˈOnz lˈɪv ˌɔn ˈɛlm stɹˈit ɪn sˈAnt lˈui.",
    ),
    (
        "Call me at 555-0199 — or don't...",
        "kˈɔl mˌi æt fˈIv fˈIv fˈIv, zˈɪɹO wˈʌn nˈIn nˈIn — ɔɹ dˈOnt…",
    ),
    (
        "I'd like two and a half cups of café au lait.",
        "ˌId lˈIk tˈu ænd ɐ hˈæf kˈʌps ʌv kæfˈA ˌO lˈAt.",
    ),
    (
        "Which is better: yes or no?",
        "wˌɪʧ ɪz bˈɛTəɹ: jˈɛs ɔɹ nˈO?",
    ),
    (
        "Version 3.11.7 of Python, please.",
        "vˈɜɹʒən θɹˈi pˈYnt əlˈɛvᵊn pˈYnt sˈɛvən ʌv pˈIθˌɑn, plˈiz.",
    ),
    (
        "Chapter IV: Henry VIII and World War II.",
        "ʧˈæptəɹ fˈɔɹ: hˈɛnɹi ði ˈAθ ænd wˈɜɹld wˈɔɹ tˈu.",
    ),
    (
        "Let's see what they've got.",
        "lˈɛts sˈi wˌʌt ðAv ɡˈɑt.",
    ),
    (
        "Thursday's weather: sunny, with a high of 75°F.",
        "θˈɜɹzdˌAz wˈɛðəɹ: sˈʌni, wɪð ɐ hˈI ʌv sˈɛvənti fˈIv dəɡɹˈiz fˈɛɹənhˌIt.",
    ),
    (
        "Would you like me to set a timer for 10 minutes?",
        "wˌʊd ju lˈIk mˌi tə sˈɛt ɐ tˈIməɹ fɔɹ tˈɛn mˈɪnəts?",
    ),
    (
        "Sure! I've added milk, eggs, and bread to your list.",
        "ʃˈʊɹ! ˌIv ˈædᵻd mˈɪlk, ˈɛɡz, ænd bɹˈɛd tə jʊɹ lˈɪst.",
    ),
    (
        "The capital of Australia is Canberra, not Sydney.",
        "ðə kˈæpəTᵊl ʌv ɔstɹˈAljə ɪz kˈænbˌɛɹə, nˌɑt sˈɪdni.",
    ),
    (
        "What about the other one?",
        "wˌʌt əbˈWt ði ˈʌðəɹ wˈʌn?",
    ),
    (
        "Wi-Fi and e-mail aren't the same.",
        "wˈIfˌI ænd ˌimˈAl ˌɑɹnt ðə sˈAm.",
    ),
    (
        "My favourite colour is grey.",
        "mˌI fˈAvəɹət kˈʌləɹ ɪz ɡɹˈA.",
    ),
    (
        "I thought through the tough cough.",
        "ˌI θˈɔt θɹu ðə tˈʌf kˈɔf.",
    ),
    (
        "Wednesday, February 29th.",
        "wˈɛnzdˌA, fˈɛbjəwˌɛɹi twˈɛnti nˈInθ.",
    ),
]
BRITISH = [
    (
        "Hello there! How are you today?",
        "həlˈQ ðˈɛː! hˌW ɑː juː tədˈA?",
    ),
    (
        "The car's near the bottle, I can't bear it.",
        "ðə kˈɑːz nˌɪə ðə bˈɒtᵊl, ˌI kˈɑːnt bˈɛː ɪt.",
    ),
    (
        "I've got 101 pounds and a new schedule.",
        "ˌIv ɡɒt wˈʌn hˈʌndɹəd and wˈʌn pˈWndz and ɐ njˈuː ʃˈɛdjuːl.",
    ),
    (
        "It was on 3/4/2025.",
        "ˌɪt wɒz ˌɒn ðə θˈɜːd ɒv ˈApɹɪl, twˈɛnti twˈɛnti fˈIv.",
    ),
    (
        "Going to the theatre, watching and caring about art.",
        "ɡˈQɪŋ tə ðə θˈɪətə, wˈɒʧɪŋ and kˈɛːɹɪŋ əbˈWt ˈɑːt.",
    ),
    (
        "The weather in Gloucestershire was awful.",
        "ðə wˈɛðə ɪn ɡlˈɒstəʃɪə wɒz ˈɔːfʊl.",
    ),
]


@pytest.fixture(scope="module")
def espeak() -> Iterator[EspeakPhonemes]:
    try:
        packaged_file("misaki", "data/us_gold.json")
    except EngineUnavailable:
        pytest.skip("needs the misaki wheel")
    espeak = EspeakPhonemes()
    yield espeak
    espeak.close()


@pytest.fixture(scope="module")
def american(espeak: EspeakPhonemes) -> English:
    def unknown(words: object) -> list[str]:
        return [symbols.american(ipa) for ipa in espeak.ipa("en-us", list(words))]

    return English(Lexicon(is_british=False), unknown, is_british=False)


@pytest.fixture(scope="module")
def british(espeak: EspeakPhonemes) -> English:
    def unknown(words: object) -> list[str]:
        return [symbols.british(ipa) for ipa in espeak.ipa("en", list(words))]

    return English(Lexicon(is_british=True), unknown, is_british=True)


def sounds(english: English, text: str) -> str:
    return "".join(sound.symbols for sound in english.sounds(text))


@pytest.mark.parametrize(("text", "expected"), AMERICAN, ids=[text for text, _ in AMERICAN])
def test_american(american: English, text: str, expected: str) -> None:
    assert sounds(american, text) == expected


@pytest.mark.parametrize(("text", "expected"), BRITISH, ids=[text for text, _ in BRITISH])
def test_british(british: English, text: str, expected: str) -> None:
    assert sounds(british, text) == expected


def test_words_in_no_lexicon_come_from_espeak(american: English) -> None:
    assert sounds(american, "Duologue with Kokoro") == "dˈuəlˌɔɡ wɪð kəkˈɔɹO"


def test_each_sound_has_its_place(american: English) -> None:
    text = "It's $2 — well-spent."
    found = [(sound.symbols, text[sound.start : sound.end]) for sound in american.sounds(text)]
    assert found == [
        ("ˌɪts", "It's"),
        (" ", ""),
        ("tˈu", "$2"),
        (" ", ""),
        ("dˈɑləɹz", "$2"),
        (" ", ""),
        ("—", ""),
        (" ", ""),
        ("wˌɛlspˈɛnt", "well-spent"),
        (".", ""),
    ]


@pytest.mark.parametrize("piece", ["a'", "a-", "a.", "1,", "1.", "aB", "A ", "(", "a@b.", "II "])
def test_odd_texts_of_any_length_are_read(american: English, piece: str) -> None:
    text = piece * 600
    found = american.sounds(text)
    assert all(0 <= sound.start <= sound.end <= len(text) for sound in found)


@pytest.mark.parametrize("text", ["", " ", "...", "\U0001f600", "東京", "?!", "--"])
def test_nothing_to_say_has_no_words(american: English, text: str) -> None:
    assert all(sound.end == sound.start for sound in american.sounds(text))


@pytest.mark.parametrize(
    ("word", "expected"),
    [("the", "ði"), ("to", "tʊ"), ("a", "ɐ")],
)
def test_little_words_before_a_vowel(american: English, word: str, expected: str) -> None:
    assert sounds(american, f"so {word} apple").split()[1] == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("babies", "bˈAbiz"),
        ("verified", "vˈɛɹəfˌId"),
        ("hashtagged", "hˈæʃtˌæɡd"),
        ("tokenizing", "tˈOkənˌIzɪŋ"),
        ("dogs'", "dˈɔɡz"),
        ("James's", "ʤˈAmzᵻz"),
        ("GPUs", "ʤˌipˌijˈuz"),
        ("NASA's", "nˈæsəz"),
        ("USA", "jˌuˌɛsˈA"),
        ("IT", "ˌItˈi"),
        ("STOP", "stˈɑp"),
        ("YouTube", "jˈutˌub"),
        ("Anna'll", "ˈɑnəᵊl"),
        ("naïve", "nɑˈiv"),
    ],
)
def test_words(american: English, word: str, expected: str) -> None:
    assert sounds(american, f"so {word} so").split(" ")[1] == expected
