"""Which part of speech an English word has, as far as its sound depends on it.

Of 180,000 words 790 sound differently as a noun and as a verb, or before a pause. For these the words around decide:
no model, no download, some microseconds. The rules look at the nearest word that is not an adverb, and fall back on
what the word mostly is. A few pairs that share a part of speech (the metal lead, the fish bass) have their company
listed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PAUSES = frozenset(".,!?;:—…()“”")
_DETERMINERS = _words(
    "a an the this these those my your his her its our their some any no each every another either neither what "
    "which whose both all most many few several such one two three four five six first second next last more much "
    "other same own new old good great big small"
)
_PREPOSITIONS = _words(
    "of in on at for with by from about into onto over under between through during without within against as "
    "like per via after before since until above below across behind beyond near towards toward upon than"
)
_MODALS = _words(
    "will would can could shall should may might must do does did don't doesn't didn't won't wouldn't can't "
    "cannot couldn't shouldn't mustn't let's let please not never i'll you'll he'll she'll it'll we'll they'll "
    "i'd you'd he'd she'd we'd they'd gonna wanna gotta help helps dare"
)
_SUBJECTS = _words("i you we they who people men women children someone everyone nobody somebody anyone")
_SINGULAR_SUBJECTS = _words("he she it that this everybody everyone someone somebody")
_BE = _words(
    "am is are was were be been being i'm you're he's she's it's we're they're isn't aren't wasn't weren't that's "
    "there's stay stays stayed feel feels felt seem seems become becomes get gets getting got"
)
_HAVE = _words("have has had having i've you've we've they've haven't hasn't hadn't")
_OBJECTS = _words("me him her it us them myself yourself himself herself itself ourselves themselves that")
# What begins the object of a verb, and seldom follows a noun.
_OPENERS = _words("the a an my your his our their this these those every each all some any no both")
_ADVERBS = _words(
    "always also ever even just only often once really still then usually sometimes already soon almost all both "
    "again now here there please probably actually simply finally well too so very quite rather currently"
)
_CAUSERS = _words("let make makes made help helps helped watch see hear have did does can could will would")
_PAST_SIGNS = _words(
    "yesterday ago last was were did had went said once already earlier came took saw finished wrote told thought "
    "gave previously"
)
# "to" belongs to these, and a noun follows it.
_TAKES_TO = _words(
    "listen listening listened due thanks according access close next compared addition similar back response "
    "reference attention contribute contributes subject relevant"
)
# Their noun sounds unlike their adjective, and they are adjectives first.
_ADJECTIVE_FIRST = _words("close closer invalid overweight live separate present perfect")

# (word, tag or "=word that it sounds like", pattern of "before _ after" in small letters).
_COMPANY: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (word, choice, re.compile(pattern))
    for word, choice, pattern in (
        ("lead", "=led", r"_ (pipe|paint|poison|pencil|acid|bullet|shot|free|weight|solder|mine|ore|exposure)"),
        ("lead", "=led", r"(made of|traces of|levels of|heavy as|like|gold and|copper and|unleaded and) _"),
        ("lead", "=led", r"_ (is a (heavy |soft |toxic )*metal|and (mercury|zinc|tin|copper|cadmium))"),
        (
            "bass",
            "DEFAULT",
            r"_ (fish|and trout)|(sea|striped|largemouth|catch|caught|grilled|fried|fish for) _( |$)",
        ),
        ("bass", "ADJ", r""),
        ("bow", "VERB", r"(take|took|takes|taking) (a|his|her|their) _|(deep|ship's|boat's) _"),
        ("bow", "VERB", r"_ (of the (ship|boat)|and stern|down|to the)"),
        ("tear", "VERB", r"wear and _|_ (in the|gas mask)|(muscle|ligament|a|the) _ in"),
        ("tears", "VERB", r"wears and _|_ (up|off|apart|down)"),
        ("minute", "ADJ", r"_ (detail|amount|quantit|particle|difference|change|trace|fraction|part of)"),
        ("minute", "DEFAULT", r""),
        ("wound", "VBD", r"_ (up|down|around|its|their|his|her way)"),
        ("live", "DEFAULT", r"(go|goes|going|went|it|broadcast|streaming|streamed|recorded|play|played|playing) _"),
        (
            "live",
            "VERB",
            r"(where|how|long) .*_|_ (in|at|near|with|for|on|by|forever|together|alone|here|there|nearby|well)( |$)",
        ),
        ("close", "DEFAULT", r"_ (to|by|friend|call|up|enough|relat|race|look|second|match|attention|together)"),
        ("winds", "VERB", r"_ (through|around|along|past|its|up|down)"),
        ("resume", "NOUN", r"(my|your|his|her|the|a|their|our|this) _"),
        ("résumé", "NOUN", r""),
        ("résumés", "NOUN", r""),
        ("resumes", "NOUN", r"(my|your|his|her|the|their|our|these|of|many) _"),
        ("content", "DEFAULT", r"(is|are|was|were|be|am|feel|felt|quite|perfectly|very|not|(made|makes|kept) \w+) _"),
        ("content", "NOUN", r""),
        ("produce", "NOUN", r"(fresh|organic|local|seasonal|farm|of|in|and) _"),
        ("uses", "NOUN", r"(its|of|many|other|common|several|different|the|various|two|three|main) _"),
        ("use", "NOUN", r"(of|in|no|any|for|daily|heavy|personal|commercial|energy|water|the|good|better|easy) _"),
        ("excuse", "VERB", r"_ (me|us|my|him|her)"),
        ("record", "NOUN", r"_ (of|high|low|label|player|breaking|number|company|store|sales)"),
        ("refuse", "VERB", r"_ (to|the|any)"),
        ("dove", "VERB", r"(he|she|they|we|i|who) _|_ (into|in|under|down|deep)"),
        ("bows", "VERB", r"_ (to|down|before)"),
        ("sow", "NOUN", r"(a|the|old|pregnant) _"),
        ("moderate", "NOUN", r"_ (to|heat|rain|amount|pace|exercise|risk|temperature|climate)"),
        ("increase", "NOUN", r"_ (in|of)"),
        ("decrease", "NOUN", r"_ (in|of)"),
        ("polish", "=polish", r"(^|[.!?] )_ (the|my|your|it|a|up)( |$)"),
        ("rebel", "NOUN", r"_ (group|force|leader|without|fighter)"),
    )
)
_KEPT_COMPANY = frozenset(word for word, _, _ in _COMPANY)
# Words whose lexicon entry lacks the reading.
_EXTRA = {
    ("resume", "NOUN"): "ɹˈɛzəmˌA",
    ("résumé", "NOUN"): "ɹˈɛzəmˌA",
    ("resumes", "NOUN"): "ɹˈɛzəmˌAz",
    ("résumés", "NOUN"): "ɹˈɛzəmˌAz",
}


def reading(words: Sequence[str], place: int, readings: Mapping[str, object]) -> str:
    """The key of ``readings`` for ``words[place]``, "" for its default; "=led" where it sounds like that word, and
    its phonemes where no lexicon has them.

    ``words``: the phrase in order, marks of punctuation among them as words of their own. ``readings``: the
    lexicon's, by part of speech; empty where it has only one.
    """
    if not readings and words[place].lower() not in _KEPT_COMPANY:
        return ""
    around = _Around([word.lower() for word in words], place)
    fixed = _by_company(around)
    if fixed is not None:
        return _EXTRA.get((around.word, fixed), fixed)
    if not readings:
        return ""
    if "None" in readings:
        return "None" if around.next in _PAUSES or not around.next else ""
    if "DT" in readings:
        return "DT" if _is_pointing(around) else ""
    if around.word in {"read", "reread"}:
        return "VBD" if _is_past_read(around) else ""
    if "VBD" in readings and around.word == "used":
        return "VBD" if _is_habit(around) else ""
    tag = _part_of_speech(around, readings)
    return "VBD" if tag == "VERB" and tag not in readings and "VBD" in readings else tag


class _Around:
    """A word and its company, in small letters."""

    def __init__(self, words: Sequence[str], place: int) -> None:
        self.words = words
        self.place = place
        self.word = words[place]
        self.next = words[place + 1] if place + 1 < len(words) else ""
        before = [word for word in words[:place] if not _is_adverb(word)]
        self.previous = before[-1] if before else ""
        self.earlier = before[-2] if len(before) > 1 else ""


def _is_adverb(word: str) -> bool:
    return word in _ADVERBS or (word.endswith("ly") and len(word) > 4)


def _by_company(around: _Around) -> str | None:
    text = None
    for word, choice, pattern in _COMPANY:
        if word == around.word:
            if text is None:
                before = " ".join(around.words[max(0, around.place - 4) : around.place])
                after = " ".join(around.words[around.place + 1 : around.place + 5])
                text = f"{before} _ {after}".strip()
            if _touches(pattern, text):
                return choice
    return None


def _touches(pattern: re.Pattern[str], text: str) -> bool:
    """Whether ``pattern`` is found as whole words: what stands before it is a space or nothing."""
    return any(match.start() == 0 or text[match.start() - 1] == " " for match in pattern.finditer(text))


def _part_of_speech(around: _Around, readings: Mapping[str, object]) -> str:
    previous, following = around.previous, around.next
    if previous == "to":
        return _nominal(around, readings) if around.earlier in _TAKES_TO else "VERB"
    if previous in _MODALS:
        return "VERB"
    if previous in _HAVE:
        return "VBN" if "VBN" in readings else _nominal(around, readings)
    if previous in _BE:
        return "VBN" if "VBN" in readings else "ADJ"
    if previous in _SUBJECTS or (previous in _SINGULAR_SUBJECTS and _agrees(around)):
        return "VERB"
    if previous in _DETERMINERS or previous in _PREPOSITIONS or previous.endswith("'s"):
        return _nominal(around, readings)
    if following in _OBJECTS or following in _OPENERS:
        return "VERB"
    is_plural_subject = previous.endswith("s") and not previous.endswith("ss") and not around.word.endswith("s")
    if is_plural_subject and following not in _PAUSES | _BE | _MODALS | _HAVE | {"", "and", "or"}:
        return "VERB"
    return "" if around.word in _ADJECTIVE_FIRST else _nominal(around, readings)


def _agrees(around: _Around) -> bool:
    """Whether a singular subject goes with the word: "he records", "did he record", "she dove"."""
    if around.earlier in _CAUSERS:
        return True
    return around.word.endswith("s") or around.word in {"wound", "dove"}


def _nominal(around: _Around, readings: Mapping[str, object]) -> str:
    """After an article: the adjective if another noun follows, the noun otherwise."""
    following = around.next
    ends_here = not following or following in _PAUSES or following in _PREPOSITIONS or following in _BE | _MODALS
    if not ends_here and following not in {"and", "or", "but", "to", "that"}:
        if "ADJ" in readings:
            return "ADJ"
        if around.word in _ADJECTIVE_FIRST:
            return ""
    return "NOUN"


def _is_past_read(around: _Around) -> bool:
    previous = around.previous
    if previous in _HAVE or previous in _BE or previous in {"well", "widely"}:
        return True
    if previous == "to" or previous in _MODALS or (not previous or previous in _PAUSES or previous in {"and", "or"}):
        return False
    if around.earlier in _HAVE or around.earlier in _CAUSERS:
        return around.earlier in _HAVE
    if previous in {"he", "she", "it"}:
        return True
    if previous in _DETERMINERS and previous not in {"this", "that"}:
        return False
    words = set(around.words)
    return not words.isdisjoint(_PAST_SIGNS) or any(_is_past_year(word) for word in words)


def _is_past_year(word: str) -> bool:
    return re.fullmatch(r"(19|20)\d\d", word) is not None


def _is_habit(around: _Around) -> bool:
    """``used to go``, ``I am used to it``; not ``it is used to measure``."""
    if around.next != "to":
        return False
    if around.previous not in _BE or around.previous in {"i'm", "you're", "we're", "they're", "he's", "she's"}:
        return True
    after = around.words[around.place + 2] if around.place + 2 < len(around.words) else ""
    is_object = after in _DETERMINERS or after in _OBJECTS or after.endswith("ing")
    is_person = around.earlier in _SUBJECTS or around.earlier in {"he", "she"} or around.previous in {"get", "got"}
    return is_object or (is_person and around.previous not in {"is"})


def _is_pointing(around: _Around) -> bool:
    """``that`` as in "that book" or "that is it", not as in "I know that you can"."""
    before = around.words[around.place - 1] if around.place else ""
    if not before or before in _PAUSES or before in _PREPOSITIONS:
        return True
    if not around.next or around.next in _PAUSES or around.next in _BE:
        return before not in {"one", "thing", "something", "everything", "book", "all", "those"}
    return before in {"do", "did", "is", "was", "and", "but", "see", "like", "want", "does", "about", "all"}
