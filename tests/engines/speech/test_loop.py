"""The loop over a model whose every token depends on every position of its row."""

from __future__ import annotations

from tests.engines.speech.row_model import END, HashModel
from tests.engines.speech.talk import Talk, alone, asked, noise, spoken

from duologue.engines.base import ChatMessage
from duologue.engines.speech.layout import Layout
from duologue.errors import EngineError

_FIRST = spoken(noise(1))
_SECOND = spoken(noise(2))


def _text_turn(words: str, answer: str) -> tuple[ChatMessage, ChatMessage]:
    return ChatMessage("user", words), ChatMessage("assistant", answer)


def test_an_answer_is_given_token_by_token_and_counted(layout: Layout) -> None:
    talk = Talk(layout)
    caller = talk.answer(asked(_FIRST))
    assert caller.error is None
    assert len(caller.text) == len(caller.deltas) - 1
    assert caller.finish == "stop"
    assert caller.usage.completion_tokens == len(caller.text) == talk.loop.stats.steps
    assert caller.usage.prompt_tokens == talk.loop.stats.filled_tokens
    assert caller.usage.cached_tokens == 0


def test_an_answer_ends_at_its_limit(layout: Layout) -> None:
    caller = alone(layout, asked(_FIRST, max_tokens=5), end_after=10**9)
    assert (len(caller.text), caller.finish) == (5, "length")


def test_an_answer_ends_where_its_row_does(layout: Layout) -> None:
    talk = Talk(layout, end_after=10**9)
    caller = talk.answer(asked(_FIRST))
    assert caller.finish == "length"
    assert caller.usage.prompt_tokens + caller.usage.completion_tokens == HashModel.row_tokens + 1


def test_a_turn_fills_only_what_is_new(layout: Layout) -> None:
    talk = Talk(layout)
    first = talk.answer(asked(_FIRST))
    heard = ChatMessage("assistant", first.text)
    second = talk.answer(asked(_FIRST, heard, _SECOND))
    # The letters of the answer were spoken one by one; written again some of them are one token.
    assert second.usage.cached_tokens >= first.usage.prompt_tokens
    assert second.usage.cached_tokens + talk.model.fills[-1][0][2] == second.usage.prompt_tokens
    assert second.text == alone(layout, asked(_FIRST, heard, _SECOND)).text
    assert talk.model.encoded == [16_000, 16_000]


def test_older_sound_becomes_text_in_the_row(layout: Layout) -> None:
    """What is got ready while the answer sounds: the last turn as words. The next turn then fills its own only."""
    talk = Talk(layout)
    talk.answer(asked(_FIRST, wants="both"))
    history = _text_turn("What is the time?", "Nine.")
    ready = talk.answer(asked(*history, wants="nothing"))
    assert ready.finish is None
    assert ready.usage.completion_tokens == 0
    row = next(row for row in talk.model.held if len(row) == ready.usage.prompt_tokens)
    assert all(len(content) == 4 for content in row), "no sound is left in the row"
    second = talk.answer(asked(*history, _SECOND))
    assert second.usage.cached_tokens == ready.usage.prompt_tokens
    assert talk.model.fills[-1][0][2] == 3 + 375
    assert second.text == alone(layout, asked(*history, _SECOND)).text


def test_getting_ready_what_is_there_costs_nothing(layout: Layout) -> None:
    talk = Talk(layout)
    history = _text_turn("Hello.", "Hello you.")
    talk.answer(asked(*history, wants="nothing"))
    filled = talk.loop.stats.filled_tokens
    again = talk.answer(asked(*history, wants="nothing"))
    assert again.usage.cached_tokens == again.usage.prompt_tokens == filled
    assert talk.loop.stats.filled_tokens == filled


def test_a_dropped_attempt_leaves_no_trace(layout: Layout) -> None:
    talk = Talk(layout)
    shorter = spoken(noise(3, 0.8))
    history = _text_turn("Hello.", "Hello you.")
    attempt = talk.ask(asked(*history, shorter, wants="both"))
    for _ in range(20):
        talk.loop.step()
    attempt.cancel()
    caller = talk.answer(asked(*history, _FIRST, wants="both"))
    fresh = alone(layout, asked(*history, _FIRST, wants="both"))
    assert (caller.text, caller.heard) == (fresh.text, fresh.heard)
    assert caller.usage.cached_tokens > 0
    assert not attempt.is_ended


def test_the_same_turn_again_is_not_encoded_and_not_filled_again(layout: Layout) -> None:
    talk = Talk(layout)
    attempt = talk.ask(asked(_FIRST, wants="both"))
    while talk.loop.stats.steps < 14:
        talk.loop.step()
    attempt.cancel()
    again = talk.answer(asked(spoken(noise(1)), wants="both"))
    assert talk.model.encoded == [16_000]
    assert again.usage.cached_tokens == again.usage.prompt_tokens - 1
    fresh = alone(layout, asked(_FIRST, wants="both"))
    assert (again.text, again.heard) == (fresh.text, fresh.heard)


def test_a_cancelled_answer_is_not_stepped_again(layout: Layout) -> None:
    talk = Talk(layout, end_after=10**9)
    gone, stays = talk.ask(asked(_FIRST, conversation="a")), talk.ask(asked(_SECOND, conversation="b", max_tokens=30))
    for _ in range(5):
        talk.loop.step()
    assert talk.model.steps[-1] == [0, 1]
    gone.cancel()
    given = len(gone.deltas)
    talk.run()
    assert talk.model.steps[5:] == [[1]] * len(talk.model.steps[5:])
    assert len(gone.deltas) == given
    assert len(stays.text) == 30


def test_what_is_cancelled_before_its_step_is_never_begun(layout: Layout) -> None:
    talk = Talk(layout)
    caller = talk.ask(asked(_FIRST))
    caller.cancel()
    talk.run()
    assert talk.model.encoded == talk.model.fills == talk.model.steps == []


def test_the_next_attempt_waits_for_its_row_to_stand_still(layout: Layout) -> None:
    """Both lie in the inbox at once, the new one first: the row's old tenant leaves before the new one writes."""
    talk = Talk(layout)
    old = talk.ask(asked(_FIRST))
    for _ in range(3):
        talk.loop.step()
    new = talk.ask(asked(_SECOND))
    old.cancel()
    talk.run()
    assert new.text == alone(layout, asked(_SECOND)).text
    assert {row for fills in talk.model.fills for row, _, _ in fills} == {0}


def test_an_answer_goes_on_where_getting_ready_has_come_to(layout: Layout) -> None:
    talk = Talk(layout)
    other = talk.ask(asked(_SECOND, conversation="other", max_tokens=30))
    talk.loop.step()
    history = _text_turn("Well? " * 400, "Well.")
    ready = talk.ask(asked(*history, wants="nothing"))
    talk.loop.step()
    caller = talk.ask(asked(*history, _FIRST))
    talk.run()
    assert ready.is_ended
    assert caller.usage.cached_tokens == 512
    assert caller.text == alone(layout, asked(*history, _FIRST)).text
    assert other.error is None


def test_two_answers_of_one_conversation_do_not_meet_in_a_row(layout: Layout) -> None:
    talk = Talk(layout)
    first = talk.ask(asked(_FIRST))
    talk.loop.step()
    second = talk.ask(asked(_SECOND))
    talk.run()
    assert first.text == alone(layout, asked(_FIRST)).text
    assert second.text == alone(layout, asked(_SECOND)).text
    third = talk.answer(asked(_SECOND, ChatMessage("assistant", second.text), _FIRST))
    assert third.usage.cached_tokens >= second.usage.prompt_tokens, "the newer row is the conversation's"


def test_getting_ready_waits_for_the_answer_in_its_row(layout: Layout) -> None:
    talk = Talk(layout)
    answer = talk.ask(asked(_FIRST))
    talk.loop.step()
    ready = talk.ask(asked(*_text_turn("One.", "Two."), wants="nothing"))
    talk.run()
    assert answer.text == alone(layout, asked(_FIRST)).text
    assert ready.is_ended
    assert {row for fills in talk.model.fills for row, _, _ in fills} == {0}


def test_latecomers_share_the_steps_of_those_who_run(layout: Layout) -> None:
    talk = Talk(layout, end_after=10**9)
    requests = [asked(spoken(noise(seed)), conversation=str(seed), max_tokens=25) for seed in range(5)]
    callers = []
    for request in requests:
        callers.append(talk.ask(request))
        for _ in range(3):
            talk.loop.step()
    talk.run()
    expected = [alone(layout, request, end_after=10**9).text for request in requests]
    assert [caller.text for caller in callers] == expected
    assert talk.loop.stats.batches[5] >= 5
    assert talk.loop.stats.steps < 5 * 24


def test_the_transcript_follows_the_first_clause_in_the_same_steps(layout: Layout) -> None:
    talk = Talk(layout, end_after=10**9)
    caller = talk.answer(asked(_FIRST, wants="both", max_tokens=40, language="en"))
    assert talk.model.encoded == [16_000], "the sound is encoded once"
    alone_steps, together_steps = talk.loop.stats.batches[1], talk.loop.stats.batches[2]
    # One second of sound may have 24 tokens of words. The answer's first 12 are out before they begin.
    assert len(caller.heard) == 24
    assert together_steps == 23
    assert alone_steps + together_steps == talk.loop.stats.steps == 39
    assert [len(delta.heard) for delta in caller.deltas[:12]] == [0] * 12
    assert caller.is_heard
    fresh = alone(layout, asked(_FIRST, wants="transcript", language="en"), end_after=10**9)
    assert caller.heard == fresh.heard


def test_a_short_answer_is_followed_by_its_transcript(layout: Layout) -> None:
    talk = Talk(layout, end_after=10**9)
    caller = talk.answer(asked(_FIRST, wants="both", max_tokens=3))
    kinds = ["heard" if delta.heard else "text" for delta in caller.deltas]
    assert kinds[:3] == ["text"] * 3
    assert len(caller.heard) == 24
    assert caller.finish == "length"
    assert caller.is_heard


def test_a_transcript_alone_is_urgent_and_keeps_no_row(layout: Layout) -> None:
    talk = Talk(layout, rows=2)
    before = talk.answer(asked(_FIRST))
    words = talk.answer(asked(_SECOND, conversation="", wants="transcript"))
    assert words.is_heard
    assert words.finish is None
    after = talk.answer(asked(_FIRST, ChatMessage("assistant", before.text), _SECOND))
    assert after.usage.cached_tokens >= before.usage.prompt_tokens
    assert talk.loop.stats.evicted == 0


def test_a_transcript_does_not_touch_its_conversations_row(layout: Layout) -> None:
    talk = Talk(layout)
    before = talk.answer(asked(_FIRST))
    talk.answer(asked(_SECOND, wants="transcript"))
    after = talk.answer(asked(_FIRST, ChatMessage("assistant", before.text), _SECOND))
    assert after.usage.cached_tokens >= before.usage.prompt_tokens


def test_nothing_is_delivered_after_cancelling_not_even_in_that_step(layout: Layout) -> None:
    talk = Talk(layout, end_after=10**9)
    got: list[object] = []
    second = None

    def cancels_the_second(_: object) -> None:
        if second is not None:
            talk.loop.cancel(second)

    talk.loop.submit(asked(_FIRST, conversation="a", max_tokens=9), cancels_the_second)
    second = talk.loop.submit(asked(_SECOND, conversation="b", max_tokens=9), got.append)
    talk.run()
    assert got == []


def test_there_are_no_words_of_nothing(layout: Layout) -> None:
    talk = Talk(layout)
    caller = talk.answer(asked(ChatMessage("user", "in writing"), wants="transcript"))
    assert isinstance(caller.error, EngineError)
    both = talk.answer(asked(ChatMessage("user", "in writing"), wants="both"))
    assert both.error is None
    assert both.text
    assert not both.is_heard


def test_the_hash_model_notices_a_wrong_position(layout: Layout) -> None:
    """The other tests lean on it."""
    texts = {alone(layout, asked(spoken(noise(seed)))).text for seed in range(4)}
    assert len(texts) == 4
    assert END not in range(100, 200)
