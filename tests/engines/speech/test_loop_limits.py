"""The loop where rows run out, prompts are long, and steps fail."""

from __future__ import annotations

import pytest
from tests.engines.speech.talk import Talk, alone, asked, noise, spoken

from duologue.engines.base import ChatMessage
from duologue.engines.speech.kept_sounds import digest
from duologue.engines.speech.layout import Layout
from duologue.errors import EngineError, Overloaded

_FIRST = spoken(noise(1))
_SECOND = spoken(noise(2))


def test_the_conversation_that_was_silent_longest_gives_way(layout: Layout) -> None:
    talk = Talk(layout, rows=3)
    answers = {name: talk.answer(asked(_FIRST, conversation=name)) for name in "ab"}
    talk.answer(asked(_FIRST, conversation="a"))
    talk.answer(asked(_SECOND, conversation="c"))
    assert talk.loop.stats.evicted == 1
    again_a = talk.answer(asked(_FIRST, conversation="a"))
    assert again_a.usage.cached_tokens == again_a.usage.prompt_tokens - 1
    again_b = talk.answer(asked(_FIRST, conversation="b"))
    assert again_b.usage.cached_tokens < 20, "no more than the instructions, which all have in common"
    assert again_b.text == answers["b"].text


def test_an_answer_that_finds_no_row_is_refused_at_once(layout: Layout) -> None:
    talk = Talk(layout, rows=2, end_after=10**9)
    running = [talk.ask(asked(_FIRST, conversation=name, max_tokens=50)) for name in "ab"]
    talk.loop.step()
    refused = talk.ask(asked(_FIRST, conversation="c"))
    ready = talk.ask(asked(_FIRST, conversation="d", wants="nothing"))
    talk.loop.step()
    assert isinstance(refused.error, Overloaded)
    assert not ready.is_ended
    talk.run()
    assert ready.is_ended
    assert ready.error is None
    assert [len(caller.text) for caller in running] == [50, 50]


def test_a_transcript_makes_way_for_an_answer_and_goes_on_later(layout: Layout) -> None:
    talk = Talk(layout, rows=2, end_after=10**9)
    first = talk.ask(asked(_FIRST, conversation="a", wants="both", max_tokens=60))
    while not talk.loop.stats.batches.get(2):
        talk.loop.step()
    for _ in range(4):
        talk.loop.step()
    second = talk.ask(asked(_SECOND, conversation="b", max_tokens=30))
    talk.run()
    assert second.error is None
    assert second.text == alone(layout, asked(_SECOND, max_tokens=30), end_after=10**9).text
    assert first.heard == alone(layout, asked(_FIRST, wants="transcript"), end_after=10**9).heard


def test_one_row_serves_everybody_in_turn(layout: Layout) -> None:
    talk = Talk(layout, rows=1)
    caller = talk.answer(asked(_FIRST, wants="both"))
    fresh = alone(layout, asked(_FIRST, wants="both"))
    assert (caller.text, caller.heard) == (fresh.text, fresh.heard)


def test_what_a_step_fills_is_bounded(layout: Layout) -> None:
    talk = Talk(layout, end_after=10**9)
    running = talk.ask(asked(_FIRST, conversation="a", max_tokens=40))
    talk.loop.step()
    long = ChatMessage("user", "no " * 1500)
    requests = [asked(long, conversation="b", max_tokens=9)]
    requests += [asked(spoken(noise(seed)), conversation=str(seed), max_tokens=9) for seed in range(3)]
    others = [talk.ask(request) for request in requests]
    filled = []
    while not all(caller.deltas for caller in others):
        before, given = talk.loop.stats.filled_tokens, len(running.text)
        talk.loop.step()
        filled.append(talk.loop.stats.filled_tokens - before)
        assert len(running.text) == given + 1, "who runs gets a token every step"
    talk.run()
    assert max(filled) <= 512
    assert len(filled) == 6
    assert [caller.text for caller in others] == [alone(layout, r, end_after=10**9).text for r in requests]


def test_sounds_of_many_are_encoded_a_few_at_a_time(layout: Layout) -> None:
    talk = Talk(layout, rows=16)
    requests = [asked(spoken(noise(seed)), conversation=str(seed)) for seed in range(6)]
    callers = [talk.ask(request) for request in requests]
    talk.loop.step()
    assert len(talk.model.encoded) == 4
    talk.run()
    assert len(talk.model.encoded) == 6
    assert [caller.text for caller in callers] == [alone(layout, request).text for request in requests]


@pytest.mark.parametrize("failure", [RuntimeError, MemoryError, AssertionError])
@pytest.mark.parametrize("part", ["encode", "fill", "step"])
def test_a_failing_step_fails_those_in_it_and_no_others(
    layout: Layout, part: str, failure: type[BaseException]
) -> None:
    talk = Talk(layout, end_after=10**9)
    running = talk.ask(asked(_FIRST, conversation="a", max_tokens=30))
    talk.loop.step()
    other = talk.ask(asked(_SECOND, conversation="b", max_tokens=30))
    if part == "step":
        talk.loop.step()
    elif part == "fill":
        (sound,) = talk.model.encode([noise(2)])
        talk.loop._arrivals.hear({digest(noise(2)): sound})
    talk.model.break_next = failure
    with pytest.raises(failure) as raised:
        talk.loop.step()
    talk.loop.fail(raised.value)
    talk.run()
    assert isinstance(other.error, EngineError)
    assert (running.error is None) == (part != "step")
    for message, name in ((_FIRST, "a"), (_SECOND, "b")):
        again = talk.answer(asked(message, conversation=name, max_tokens=30))
        assert again.text == alone(layout, asked(message, max_tokens=30), end_after=10**9).text
    assert talk.loop.stats.failures == 1


def test_a_prompt_that_cannot_be_written_fails_alone(layout: Layout) -> None:
    talk = Talk(layout)
    bad = talk.ask(asked(spoken(noise(1, 300.0)), conversation="a"))
    good = talk.ask(asked(_SECOND, conversation="b"))
    talk.run()
    assert isinstance(bad.error, EngineError)
    assert "too long" in bad.error.message
    assert good.text == alone(layout, asked(_SECOND)).text


def test_an_older_sound_that_no_row_holds_is_left_out(layout: Layout) -> None:
    """Its words may never come: a conversation must not be lost for it."""
    request = asked(spoken(noise(1, 300.0)), _SECOND)
    assert alone(layout, request).text == alone(layout, asked(_SECOND)).text


def test_unanswered_turns_do_not_pile_up_to_one_that_never_fits(layout: Layout) -> None:
    sounds = [spoken(noise(seed)) for seed in range(8)]
    caller = alone(layout, asked(*sounds))
    assert caller.error is None
    assert caller.text == alone(layout, asked(*sounds[4:])).text


def test_ending_the_loop_ends_every_request(layout: Layout) -> None:
    talk = Talk(layout, end_after=10**9)
    callers = [talk.ask(asked(_FIRST, conversation=str(n))) for n in range(3)]
    talk.loop.step()
    callers.append(talk.ask(asked(_SECOND)))
    talk.loop.close(EngineError("going down"))
    assert [caller.error.message for caller in callers if caller.error] == ["going down"] * 4
    assert not talk.loop.has_work
    assert talk.model.is_closed


def test_a_closed_loop_keeps_no_sound_on_the_device(layout: Layout) -> None:
    talk = Talk(layout)
    talk.answer(asked(_FIRST))
    assert talk.loop._arrivals._sounds.find([digest(noise(1))])
    talk.loop.close(EngineError("going down"))
    assert not talk.loop._arrivals._sounds.find([digest(noise(1))])


def test_a_loop_can_forget_everything(layout: Layout) -> None:
    talk = Talk(layout)
    talk.answer(asked(_FIRST))
    talk.loop.forget()
    assert talk.loop.stats.filled_tokens == 0
    assert talk.answer(asked(_FIRST)).usage.cached_tokens == 0
    assert len(talk.model.encoded) == 2
