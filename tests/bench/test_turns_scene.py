"""What callers of the benchmark of conversation do and note, in virtual time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from duologue.bench.energy import levels_dbfs
from duologue.bench.turns.figures import (
    act_report,
    alone,
    effects,
    first_ms,
    interruptions,
    lowered_ms,
    remembered,
    silent_ms,
    verdict_ms,
)
from duologue.bench.turns.heard import Phrase, Said, Word, judge
from duologue.bench.turns.room import Echo
from duologue.bench.turns.scene import Account, Act, Guest, Seen, continues
from duologue.bench.turns.sounds import Sound, as_sound
from tests.bench.standin import silence, tone
from tests.bench.turns_world import Reaction, World

ONE_FRAME_MS = 20.0
FALSE_ALARM: list[Reaction] = [(0.06, "lowered"), (0.26, "held"), (0.46, "noise"), (0.46, "resumed")]
INTERRUPTED: list[Reaction] = [
    (0.06, "lowered"),
    (0.26, "held"),
    (0.36, "interruption"),
    (0.36, "stopped"),
    (0.9, "committed"),
]


def sound(kind: str = "backchannel", words: str = "yeah") -> Sound:
    """0.1 s of nothing, then 0.4 s of tone."""
    pcm = np.concatenate((silence(0.1), tone(0.4), silence(0.1)))
    return as_sound(words or kind, kind, "recorded", pcm, -24.0, words)


def played(world: World, *acts: Act, account: Account = "truncate") -> list[Seen]:
    guest = Guest(acts, account=account)
    world.run(guest)
    return guest.seen


def test_a_sound_that_nobody_minds_leaves_the_answer_alone() -> None:
    [seen] = played(World([]), Act(part="x", sound=sound()))
    assert seen.outcome == "ignored"
    assert (seen.changes, seen.verdicts, seen.commits) == ([], [], 0)
    assert seen.end_at - seen.onset_at == pytest.approx(0.4, abs=0.02)


def test_a_false_alarm_is_held_and_how_long_it_was_silent_is_known() -> None:
    [seen] = played(World(FALSE_ALARM), Act(part="x", sound=sound()))
    assert seen.outcome == "held"
    assert silent_ms(seen) == pytest.approx(200, abs=1)
    assert lowered_ms(seen) == pytest.approx(200, abs=1)
    assert [verdict.verdict for verdict in seen.verdicts] == ["noise"]


def test_lowered_alone_is_less_than_held() -> None:
    [seen] = played(World([(0.06, "lowered"), (0.2, "resumed")]), Act(part="x", sound=sound()))
    assert seen.outcome == "lowered"
    assert silent_ms(seen) == 0
    assert lowered_ms(seen) == pytest.approx(140, abs=1)


def test_a_hold_that_becomes_low_again_is_heard_and_not_silent() -> None:
    reaction: list[Reaction] = [(0.06, "lowered"), (0.26, "held"), (0.36, "lowered"), (0.5, "resumed")]
    [seen] = played(World(reaction), Act(part="x", sound=sound()))
    assert seen.outcome == "held"
    assert silent_ms(seen) == pytest.approx(100, abs=1)
    assert lowered_ms(seen) == pytest.approx(340, abs=1)
    assert first_ms(seen, "held", "flushed") is None
    assert first_ms(seen, "lowered", "held", "flushed") is None


def test_an_interruption_is_stopped_and_its_times_count_from_the_true_onset() -> None:
    world = World(INTERRUPTED, hears_words="stop it", remembers="one two three")
    [seen] = played(world, Act(part="x", sound=sound("word", "stop"), remembers=True))
    assert seen.outcome == "stopped"
    assert seen.heard_words == "stop it"
    assert first_ms(seen, "lowered", "held", "flushed") == pytest.approx(60, abs=ONE_FRAME_MS)
    assert first_ms(seen, "held", "flushed") == pytest.approx(260, abs=ONE_FRAME_MS)
    assert verdict_ms(seen) == pytest.approx(360, abs=ONE_FRAME_MS)
    assert seen.remembered == "one two three"
    assert seen.cut is not None
    [truncate] = world.sent("conversation.item.truncate")
    # Held, it keeps its place: nothing was heard between the hold and the flush.
    assert truncate["audio_end_ms"] == pytest.approx(seen.cut.heard_ms, abs=1)
    held_at = next(change.at for change in seen.changes if change.what == "held")
    assert seen.cut.at - held_at == pytest.approx(0.1, abs=0.001)


def test_an_answer_that_is_said_after_all_is_cut_and_not_stopped() -> None:
    [seen] = played(World([(0.1, "stopped"), (0.8, "goes on")]), Act(part="x", sound=sound("cough", "")))
    assert seen.outcome == "cut"
    assert silent_ms(seen) == pytest.approx(750, abs=ONE_FRAME_MS)


def test_the_rest_of_an_answer_is_known_by_its_words_also_where_something_was_said() -> None:
    world = World([(0.1, "stopped"), (0.5, "committed"), (2.6, "goes on")], hears_words="mm-hm")
    [seen] = played(world, Act(part="x", sound=sound()))
    assert seen.outcome == "stopped"
    world = World([(0.1, "stopped"), (0.5, "committed"), (0.6, "goes on")], hears_words="mm-hm")
    [seen] = played(world, Act(part="x", sound=sound()))
    assert seen.outcome == "cut"


@pytest.mark.parametrize(
    ("begun", "rest", "heard_ms", "is_it"),
    [
        ("There was once a clock.", "once a clock. It was slow.", 400.0, True),
        ("There was once a clock. It ", "It was slow.", 900.0, False),
        ("There was once a clock.", "You are welcome.", 400.0, False),
        ("There was", "", 400.0, False),
        ("There was once a clock that ran late.", "There was once a clock that ran late.", 900.0, False),
    ],
)
def test_what_goes_on(begun: str, rest: str, heard_ms: float, is_it: bool) -> None:
    assert continues(Said(phrases=[Phrase(begun, 0.0)], sent_ms=1000.0), rest, heard_ms) is is_it


def test_after_a_stop_the_next_act_has_a_new_answer() -> None:
    world = World(INTERRUPTED, hears_words="stop")
    seen = played(world, *(Act(part="x", sound=sound("word", "stop")) for _ in range(3)))
    assert [each.outcome for each in seen] == ["stopped"] * 3
    assert len(world.sent("response.create")) == 3


def test_one_answer_serves_several_acts_and_a_short_one_is_asked_for_again() -> None:
    world = World([], answer_s=30.0)
    played(world, *(Act(part="x", sound=sound()) for _ in range(4)))
    assert len(world.sent("response.create")) == 1
    world = World([], answer_s=4.0)
    seen = played(world, *(Act(part="x", sound=sound()) for _ in range(4)))
    assert {each.outcome for each in seen} == {"ignored"}
    assert len(world.sent("response.create")) > 1


def test_no_answer_is_told() -> None:
    class Mute(World):
        def _answer(self, at: float, length_s: float, words: str = "") -> None:
            return

    [seen] = played(Mute([]), Act(part="x", sound=sound()))
    assert seen.outcome == "no answer"
    [effect] = effects([seen])
    assert (effect.n, effect.unusable) == (0, 1)


def test_noise_while_nobody_speaks_may_be_taken_for_a_turn() -> None:
    quiet, taken = World([]), World([(0.1, "stopped"), (0.8, "committed")])
    acts = [Act(part="x", place="alone", sound=sound("keys", "")) for _ in range(2)]
    [kept] = alone(played(quiet, *acts))
    assert (kept.n, kept.onsets, kept.turns) == (2, 0, 0)
    [lost] = alone(played(taken, *acts))
    assert (lost.n, lost.onsets, lost.turns) == (2, 2, 2)
    assert lost.seconds == pytest.approx(0.8, abs=0.1)
    assert not quiet.sent("response.create")


@pytest.mark.parametrize(("account", "reports", "truncates"), [("reports", True, False), ("clock", False, False)])
def test_who_does_not_truncate_reports_or_says_nothing(account: Account, reports: bool, truncates: bool) -> None:
    world = World(INTERRUPTED, hears_words="stop")
    played(world, Act(part="x", sound=sound("word", "stop")), account=account)
    told = [event["audio_end_ms"] for event in world.sent("duologue.output_audio.played")]
    assert bool(told) is reports
    assert told == sorted(told)
    assert bool(world.sent("conversation.item.truncate")) is truncates


def test_the_own_loudspeaker_is_in_the_microphone_later_and_lower() -> None:
    world = World([])
    act = Act(part="x", echo=Echo(-20.0, 100.0), wait_s=0.0, listen_s=3.0)
    [seen] = played(world, act)
    heard = np.concatenate(world.mic)[round(seen.onset_at * 24_000) :]
    levels = levels_dbfs(heard[: 2 * 24_000], 480)
    played_dbfs = float(levels_dbfs(tone(1.0), 480)[10])
    assert float(np.median(levels[20:])) == pytest.approx(played_dbfs - 20, abs=3)
    # The answer became audible a frame or so before, and comes back 0.1 s later.
    assert levels[:3].max() < -60
    assert math.isnan(seen.onset_at) is False


def test_effects_and_interruptions_in_figures() -> None:
    seen = played(World(FALSE_ALARM), *(Act(part="x", sound=sound()) for _ in range(3)))
    seen += played(World([]), Act(part="x", sound=sound()))
    [effect] = effects(seen)
    assert (effect.kind, effect.source, effect.n) == ("backchannel", "recorded", 4)
    assert effect.counts == {"held": 3, "ignored": 1}
    assert effect.share("stopped", "cut") == 0.0
    assert effect.silent_ms.n == 3
    act = act_report(seen[0])
    assert (act.sound, act.kind, act.outcome, act.verdicts) == ("yeah", "backchannel", "held", ["noise"])
    found = interruptions(seen)
    assert (found.n, found.missed, found.duck_ms.n) == (4, 4, 0)
    assert found.by_words == {"yeah": "0 of 4"}


def test_memories_are_counted_by_account() -> None:
    world = World(INTERRUPTED, hears_words="stop", remembers="one two three four five one two")
    seen = played(world, Act(part="x", sound=sound("word", "stop"), wait_s=0.5, remembers=True), account="clock")
    [each] = seen
    assert each.cut is not None
    assert each.said is not None
    assert each.remembered is not None
    words = [Word(word, 200.0 * n, 200.0 * (n + 1)) for n, word in enumerate(each.said.text.split())]
    memory = judge(words, each.remembered, each.cut.heard_ms, item_id="i", account=each.account, is_estimate=False)
    assert (memory.kept, memory.begun) == (7, math.ceil(each.cut.heard_ms / 200))
    assert memory.unheard == 7 - memory.begun > 0
    [row] = remembered(seen, [memory])
    assert (row.account, row.n, row.with_unheard, row.unheard_words) == ("clock", 1, 1, memory.unheard)
    [unasked] = remembered(seen, [])
    assert (unasked.n, unasked.not_told) == (0, 1)
