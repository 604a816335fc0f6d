"""How long a pause must last."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.items import TurnDetection
from duologue.session.endpointing import (
    LATEST_MS,
    LONGER_MS,
    SILENCES,
    WEIGHTS,
    Evidence,
    combined_prob,
    end_log_odds,
    wait_ms,
)
from duologue.session.pauses import STRANGER, OwnPauses

NORMAL = TurnDetection()
EAGER, PATIENT = TurnDetection(patience=0.7, max_wait_ms=2_000), TurnDetection(patience=1.6, max_wait_ms=8_000)
SHORTEST_MS, DOUBTFUL_MS, _, LONGEST_MS = (ms for ms, _ in SILENCES)
# Speakers whose last silences were all ends, or all pauses of so long.
PROMPT = STRANGER.ended().ended().ended()
BRIEF = OwnPauses(pauses=3.4, longest_ms=300.0)
PONDERING = OwnPauses(pauses=3.4, longest_ms=1_000.0)

probs = st.one_of(st.none(), st.floats(0, 1))
texts = st.sampled_from([None, "", "I went to the", "Yes.", "and so um", "what time is it?"])
speakers = st.builds(OwnPauses, st.floats(0, 5), st.floats(0, 5), st.floats(0, 20_000))
evidences = st.builds(Evidence, probs, texts, speakers)

# (the model of the sound, the words, the speaker) -> (at least, at most) so many ms.
CASES: list[tuple[float | None, str | None, OwnPauses, float, float]] = [
    # Sound and words agree that it is over: as soon as an answer can be ready.
    (0.95, "What's the weather like?", STRANGER, SHORTEST_MS, SHORTEST_MS),
    (0.9, "Book a table for two, please.", STRANGER, SHORTEST_MS, SHORTEST_MS),
    (0.9, "Yes, thanks.", PROMPT, SHORTEST_MS, SHORTEST_MS),
    # The sound doubts, as it does of every other short command: words and the speaker's ways decide.
    (0.1, "Book a table for two, please.", STRANGER, SHORTEST_MS, 500),
    (0.1, "Book a table for two, please.", PROMPT, SHORTEST_MS, SHORTEST_MS),
    # Words that ask for more, or a hesitation: long, whatever the sound, and longest where both say so.
    (0.9, "I want to", STRANGER, 700, 1_400),
    (0.05, "I want to", STRANGER, DOUBTFUL_MS, LONGEST_MS),
    (0.6, "And um,", STRANGER, DOUBTFUL_MS, LONGEST_MS),
    (0.02, "And um,", STRANGER, 1_000, LONGEST_MS),
    # Who keeps pausing is believed less, and given what these pauses last and a little more.
    (0.3, "I think it is nice.", BRIEF, 700, DOUBTFUL_MS + 20),
    (0.3, "I think it is nice.", PONDERING, 1_000, 1_000 + LONGER_MS + 20),
    # One of the two is enough to go by.
    (None, "Book a table for two, please.", STRANGER, SHORTEST_MS, 400),
    (0.95, None, STRANGER, SHORTEST_MS, 400),
    (None, "and so um", STRANGER, DOUBTFUL_MS, LONGEST_MS),
    # Nothing is known: as in doubt.
    (None, None, STRANGER, DOUBTFUL_MS, DOUBTFUL_MS),
    (None, None, PONDERING, 1_000 + LONGER_MS, 1_000 + LONGER_MS),
]


@pytest.mark.parametrize(("sound", "text", "speaker", "least_ms", "most_ms"), CASES)
def test_the_wait(sound: float | None, text: str | None, speaker: OwnPauses, least_ms: float, most_ms: float) -> None:
    assert least_ms <= wait_ms(Evidence(sound, text, speaker), NORMAL) <= most_ms


@pytest.mark.parametrize(("silence_ms", "tells"), SILENCES)
def test_the_turn_is_over_when_silence_outweighs_the_doubt(silence_ms: float, tells: float) -> None:
    """Evidence that says exactly the opposite of what so much silence tells."""
    weights = replace(WEIGHTS, always=-tells + 1e-6)
    assert wait_ms(Evidence(0.5), NORMAL, weights) == pytest.approx(silence_ms, abs=0.1)


def test_the_probability_is_a_half_where_nothing_leans_either_way() -> None:
    even = Evidence(0.5, None, OwnPauses())
    assert end_log_odds(even) == pytest.approx(WEIGHTS.always)
    assert combined_prob(even) == pytest.approx(1 / (1 + math.exp(-WEIGHTS.always)))


def test_nothing_known_is_no_probability() -> None:
    assert combined_prob(Evidence()) is None
    assert combined_prob(Evidence(None, "", PROMPT)) is None


def test_empty_words_say_nothing() -> None:
    assert combined_prob(Evidence(0.7, "")) == combined_prob(Evidence(0.7))


@given(evidences, st.floats(0, 1), st.floats(0, 1))
def test_the_more_finished_it_sounds_the_shorter_the_wait(evidence: Evidence, a: float, b: float) -> None:
    low, high = sorted((a, b))
    unlikely, likely = (wait_ms(replace(evidence, end_of_turn_prob=prob), NORMAL) for prob in (low, high))
    assert unlikely >= likely - 1e-6


@given(evidences)
def test_one_more_pause_as_long_as_ever_never_makes_the_wait_shorter(evidence: Evidence) -> None:
    own = OwnPauses(0.0, evidence.own.pauses, evidence.own.longest_ms)
    before = replace(evidence, own=own)
    after = replace(evidence, own=replace(own, pauses=own.pauses + 1, longest_ms=max(own.longest_ms, 500.0)))
    assert wait_ms(after, NORMAL) >= wait_ms(before, NORMAL) - 1e-6


def test_a_speaker_s_long_pauses_are_waited_for_up_to_a_limit() -> None:
    doubtful = Evidence(0.3, "So it is.", PONDERING)
    waits = [wait_ms(replace(doubtful, own=replace(PONDERING, longest_ms=ms)), NORMAL) for ms in (0, 800, 1_100, 9_000)]
    assert all(a < b for a, b in pairwise(waits))
    assert waits[-1] <= LATEST_MS + 20


def test_the_silence_rule_knows_nothing_else() -> None:
    rule = TurnDetection(silence_ms=500, patience=3.0)
    assert wait_ms(Evidence(0.0, "and", PONDERING), rule) == wait_ms(Evidence(1.0), rule) == 500


@pytest.mark.parametrize(
    "evidence", [Evidence(0.95, "Yes."), Evidence(0.4, "Yes."), Evidence(0.1, "and um"), Evidence()]
)
def test_the_eager_wait_less_and_the_patient_longer(evidence: Evidence) -> None:
    eager, normal, patient = (wait_ms(evidence, detection) for detection in (EAGER, NORMAL, PATIENT))
    assert eager <= normal < patient


def test_the_eager_do_not_give_up_on_what_surely_goes_on() -> None:
    assert wait_ms(Evidence(0.05, "and um"), EAGER) > 3 * wait_ms(Evidence(0.9, "Yes."), EAGER)


@given(evidences, st.floats(0.1, 10), st.integers(200, 8_000))
def test_the_bound_is_never_passed(evidence: Evidence, patience: float, bound_ms: int) -> None:
    assert 0 < wait_ms(evidence, TurnDetection(patience=patience, max_wait_ms=bound_ms)) <= bound_ms
