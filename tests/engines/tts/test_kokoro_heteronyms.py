"""Words that sound differently by their company. The expected sounds are those of the American lexicon's entries."""

from __future__ import annotations

import pytest

from duologue.engines.tts.kokoro_english import English
from duologue.engines.tts.kokoro_heteronyms import reading
from duologue.engines.tts.kokoro_lexicon import Lexicon
from duologue.engines.weights import packaged_file
from duologue.errors import EngineUnavailable

# Sentence, with the word in question between bars -> its sounds.
SENTENCES = [
    ("I |read| the book yesterday.", "ɹˈɛd"),
    ("I |read| a lot these days.", "ɹˈid"),
    ("I will |read| it again.", "ɹˈid"),
    ("She has |read| every letter.", "ɹˈɛd"),
    ("He |read| it aloud.", "ɹˈɛd"),
    ("Did you |read| it?", "ɹˈid"),
    ("|Read| this aloud, please.", "ɹˈid"),
    ("The book was widely |read|.", "ɹˈɛd"),
    ("The |lead| singer was late.", "lˈid"),
    ("It was made of |lead|.", "lˈɛd"),
    ("Old |lead| pipes are dangerous.", "lˈɛd"),
    ("They will |lead| the way.", "lˈid"),
    ("They |live| in a small house.", "lˈɪv"),
    ("Where do you |live|?", "lˈɪv"),
    ("This is |live| music.", "lˈIv"),
    ("The show goes |live| at nine.", "lˈIv"),
    ("People who |live| here are happy.", "lˈɪv"),
    ("We need to |record| this.", "ɹəkˈɔɹd"),
    ("She set a new |record|.", "ɹˈɛkəɹd"),
    ("The company |records| every call.", "ɹəkˈɔɹdz"),
    ("Many people |object| to it.", "əbʤˈɛkt"),
    ("There is an |object| on the desk.", "ˈɑbʤəkt"),
    ("I |refuse| to go.", "ɹəfjˈuz"),
    ("Take the |refuse| out.", "ɹˈɛfjˌus"),
    ("|Close| the door.", "klˈOz"),
    ("We are |close| to the end.", "klˈOs"),
    ("She is a |close| friend.", "klˈOs"),
    ("Stay |close|, please.", "klˈOs"),
    ("The shop will |close| at five.", "klˈOz"),
    ("The |wind| was strong.", "wˈɪnd"),
    ("Please |wind| the clock.", "wˈInd"),
    ("She shed a |tear|.", "tˈɪɹ"),
    ("Don't |tear| the paper.", "tˈɛɹ"),
    ("He plays the |bass| guitar.", "bˈAs"),
    ("We caught a sea |bass|.", "bˈæs"),
    ("Wait a |minute|.", "mˈɪnət"),
    ("There were |minute| differences.", "mInˈut"),
    ("They |present| the prize.", "pɹizˈɛnt"),
    ("Thank you for the |present|.", "pɹˈɛzᵊnt"),
    ("This will |project| an image.", "pɹəʤˈɛkt"),
    ("The |project| is late.", "pɹˈɑʤˌɛkt"),
    ("They |produce| cars.", "pɹədˈus"),
    ("We sell fresh |produce|.", "pɹˈOdˌus"),
    ("Do you |use| it?", "jˈuz"),
    ("What is the |use| of it?", "jˈus"),
    ("I |used| to go there.", "jˈust"),
    ("I |used| a hammer.", "jˈuzd"),
    ("It is |used| to cut wood.", "jˈuzd"),
    ("|Separate| the eggs.", "sˈɛpəɹˌAt"),
    ("They have |separate| rooms.", "sˈɛpəɹət"),
    ("That is only an |estimate|.", "ˈɛstəmət"),
    ("We |estimate| the cost.", "ˈɛstəmˌAt"),
    ("Don't |desert| me.", "dəzˈɜɹt"),
    ("The |desert| is hot.", "dˈɛzəɹt"),
    ("My |resume| is ready.", "ɹˈɛzəmˌA"),
    ("Let us |resume|.", "ɹəzˈum"),
    ("The |contents| of the box.", "kˈɑntɛnts"),
    ("She was |content| with it.", "kəntˈɛnt"),
    ("An |increase| in sales.", "ˈɪnkɹˌis"),
    ("This will |increase| profits.", "ɪnkɹˈis"),
    ("It is |perfect|.", "pˈɜɹfəkt"),
    ("She wants to |perfect| it.", "pəɹfˈɛkt"),
    ("The nurse cleaned the |wound|.", "wˈund"),
    ("He |wound| up the clock.", "wˈWnd"),
    ("You need a |permit|.", "pˈɜɹmɪt"),
    ("They do not |permit| it.", "pəɹmˈɪt"),
    ("|Excuse| me.", "ɪkskjˈuz"),
    ("That is no |excuse|.", "ɪkskjˈus"),
    ("I'd like |that|.", "ðˈæt"),
    ("I know |that| it works.", "ðæt"),
    ("Have you |read| the news?", "ɹˈɛd"),
    ("I |read| that article an hour ago.", "ɹˈɛd"),
    ("Kids should |read| more.", "ɹˈid"),
    ("He can |read| music.", "ɹˈid"),
    ("You should have |read| it.", "ɹˈɛd"),
    ("Our team took the |lead|.", "lˈid"),
    ("|Lead| is a heavy metal.", "lˈɛd"),
    ("Which road should I take to |live| longer?", "lˈɪv"),
    ("Fish |live| in water.", "lˈɪv"),
    ("We watched a |live| broadcast.", "lˈIv"),
    ("My parents |live| nearby.", "lˈɪv"),
    ("Could you |record| the meeting?", "ɹəkˈɔɹd"),
    ("It was a |record| year.", "ɹˈɛkəɹd"),
    ("The |record| was broken.", "ɹˈɛkəɹd"),
    ("I |object|, your honor.", "əbʤˈɛkt"),
    ("What is that |object|?", "ˈɑbʤəkt"),
    ("The offer was too good to |refuse|.", "ɹəfjˈuz"),
    ("The bank is |close| by.", "klˈOs"),
    ("When does it |close|?", "klˈOz"),
    ("At the |close| of business.", "klˈOz"),
    ("Let's take a |closer| look.", "klˈOsəɹ"),
    ("The |winds| are strong today.", "wˈɪndz"),
    ("The river |winds| through the valley.", "wˈIndz"),
    ("Tears ran down; a |tear| fell.", "tˈɪɹ"),
    ("They |tear| down the old house.", "tˈɛɹ"),
    ("Turn up the |bass|.", "bˈAs"),
    ("She gave a |minute| amount of salt.", "mInˈut"),
    ("At |present| I am busy.", "pɹˈɛzᵊnt"),
    ("Let me |present| my friend.", "pɹizˈɛnt"),
    ("I want to |present| the results.", "pɹizˈɛnt"),
    ("Everyone was |present|.", "pɹˈɛzᵊnt"),
    ("We work on many |projects|.", "pɹˈɑʤˌɛkts"),
    ("The lamp |projects| a shadow.", "pɹəʤˈɛkts"),
    ("What |use| is that?", "jˈus"),
    ("It has many |uses|.", "jˈusᵻz"),
    ("He |uses| a phone.", "jˈuzᵻz"),
    ("There's no |use| crying.", "jˈus"),
    ("She |used| to dance.", "jˈust"),
    ("I am not |used| to this.", "jˈust"),
    ("Money is |used| to buy things.", "jˈuzd"),
    ("Keep them |separate|.", "sˈɛpəɹət"),
    ("The |increase| was small.", "ˈɪnkɹˌis"),
    ("Prices |increase| every year.", "ɪnkɹˈis"),
    ("They |conflict| with each other.", "kənflˈɪkt"),
    ("There is a |conflict| between them.", "kˈɑnflˌɪkt"),
    ("Please |contract| the muscle.", "kəntɹˈækt"),
    ("Sign the |contract|.", "kˈɑntɹˌækt"),
    ("I |suspect| he lied.", "səspˈɛkt"),
    ("The |suspect| ran away.", "sˈʌspˌɛkt"),
    ("The |permit| expired.", "pˈɜɹmɪt"),
    ("We will |import| goods.", "ɪmpˈɔɹt"),
    ("The |import| of oil grew.", "ˈɪmpˌɔɹt"),
    ("Don't |insult| me.", "ɪnsˈʌlt"),
    ("That was an |insult|.", "ˈɪnsˌʌlt"),
    ("He |advocates| for change.", "ˈædvəkˌAts"),
    ("Lawyers are |advocates|.", "ˈædvəkəts"),
    ("An |appropriate| answer.", "əpɹˈOpɹiət"),
    ("Roughly |approximate| values.", "əpɹˈɑksəmət"),
    ("They |upset| me.", "ˌʌpsˈɛt"),
    ("I need a |refund|.", "ɹˈifˌʌnd"),
    ("We will |refund| you.", "ɹəfˈʌnd"),
    ("The |content| is free.", "kˈɑntɛnt"),
    ("That is an |abuse| of power.", "əbjˈus"),
    ("They |abuse| it.", "əbjˈuz"),
    ("Give me your |excuse|.", "ɪkskjˈus"),
    ("The |perfect| day.", "pˈɜɹfəkt"),
    ("A |produce| market.", "pɹˈOdˌus"),
    ("Bees |produce| honey.", "pɹədˈus"),
    ("The |house| is big.", "hˈWs"),
    ("They can |house| ten people.", "hˈWz"),
    ("He bandaged the |wound|.", "wˈund"),
    ("She |wound| the wool into a ball.", "wˈWnd"),
]


@pytest.fixture(scope="module")
def english() -> English:
    try:
        packaged_file("misaki", "data/us_gold.json")
    except EngineUnavailable:
        pytest.skip("needs the misaki wheel")
    return English(Lexicon(is_british=False), lambda words: [""] * len(words), is_british=False)


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES, ids=[sentence for sentence, _ in SENTENCES])
def test_heteronyms(english: English, sentence: str, expected: str) -> None:
    start = sentence.rindex("|", 0, sentence.rindex("|"))
    found = [sound.symbols for sound in english.sounds(sentence.replace("|", "")) if sound.start == start < sound.end]
    assert found[-1] == expected


def test_a_word_of_one_reading_has_no_tag() -> None:
    assert reading(["the", "cat"], 1, {}) == ""


@pytest.mark.parametrize(("following", "expected"), [(".", "None"), ("", "None"), ("go", "")])
def test_before_a_pause_there_is_a_reading_of_its_own(following: str, expected: str) -> None:
    words = ["i", "will", *([following] if following else [])]
    assert reading(words, 1, {"DEFAULT": "wɪl", "None": "wˈɪl"}) == expected


def test_a_nationality_is_no_verb(english: English) -> None:
    assert english.sounds("Polish the silver.")[0].symbols == "pˈɑlɪʃ"
    assert english.sounds("Polish food is good.")[0].symbols.endswith("pˈOlɪʃ")
