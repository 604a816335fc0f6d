from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.server.webrtc.jitter import MAX_PATIENCE_S, MAX_SILENCE_S, RATE_HZ, JitterBuffer
from tests.server.webrtc.network import PACKET_S, PACKET_TICKS, carry


def on_time(numbers: range) -> list[tuple[float, int]]:
    return [(n * PACKET_S, n) for n in numbers]


def test_what_comes_in_order_goes_on_at_once() -> None:
    passage = carry(on_time(range(100)))
    assert passage.order == list(range(100))
    assert max(passage.delays_s.values()) == 0
    assert passage.samples == 100 * PACKET_TICKS


def test_packets_that_overtook_each_other_are_put_in_order() -> None:
    arrivals = on_time(range(10))
    arrivals[4], arrivals[5] = (5 * PACKET_S + 0.001, 4), (5 * PACKET_S, 5)
    passage = carry(arrivals)
    assert passage.order == list(range(10))
    assert passage.lost() == []


def test_a_lost_packet_is_concealed_and_delays_nothing_after_it() -> None:
    passage = carry([a for a in on_time(range(100)) if a[1] != 50])
    assert passage.lost() == [PACKET_TICKS]
    assert passage.samples == 100 * PACKET_TICKS
    assert passage.delays_s[51] <= MAX_PATIENCE_S
    assert max(passage.delays_s[n] for n in range(54, 100)) == 0


def test_five_percent_loss_never_delays_beyond_the_patience() -> None:
    rng = random.Random(1)
    gone = {n for n in range(100, 600) if rng.random() < 0.05}
    passage = carry([a for a in on_time(range(1000)) if a[1] not in gone])
    assert sum(passage.lost()) == len(gone) * PACKET_TICKS
    assert max(passage.delays_s.values()) <= MAX_PATIENCE_S + 1e-6
    assert sorted(passage.delays_s.values())[len(passage.delays_s) // 2] == 0
    assert max(passage.delays_s[n] for n in range(604, 1000)) == 0


def test_a_burst_after_a_pause_of_the_network_leaves_no_delay() -> None:
    held_up = [(max(t, 3.0) if 2.7 <= t < 3.0 else t, n) for t, n in on_time(range(300))]
    passage = carry(held_up)
    assert passage.order == list(range(300))
    assert (passage.lost(), passage.silences()) == ([], [])
    assert max(passage.delays_s[n] for n in range(150, 300)) == 0


def test_duplicates_are_heard_once() -> None:
    passage = carry(sorted([*on_time(range(20)), *((n * PACKET_S + 0.03, n) for n in range(20))]))
    assert passage.order == list(range(20))


def test_the_counters_of_a_stream_may_wrap_around() -> None:
    passage = carry(on_time(range(200)), first=2**16 - 100, timestamp=2**32 - 50 * PACKET_TICKS)
    assert passage.order == list(range(200))
    assert passage.samples == 200 * PACKET_TICKS


def test_a_packet_lost_where_the_counters_wrap() -> None:
    arrivals = [a for a in on_time(range(20)) if a[1] not in (10, 11)]
    passage = carry(arrivals, first=2**16 - 10, timestamp=2**32 - 10 * PACKET_TICKS)
    assert passage.lost() == [2 * PACKET_TICKS]


def test_patience_grows_where_packets_come_late_and_shrinks_where_they_are_lost() -> None:
    late = [(t + (0.055 if n % 10 == 5 else 0), n) for t, n in on_time(range(100))]
    passage = carry(sorted(late))
    assert len(passage.lost()) == 1, "the first one is given up, and taught what to expect"
    gone = carry([a for a in on_time(range(1000)) if a[1] % 10 != 5])
    waits = [gone.delays_s[n] for n in range(6, 1000, 10)]
    assert waits[-1] < waits[0]


def test_silence_that_is_not_sent_passes_all_the_same() -> None:
    """Discontinuous transmission: numbers go on without a gap, time does not."""
    buffer = JitterBuffer()
    buffer.push(1, 0, b"1", PACKET_TICKS, 0.0)
    pieces = buffer.push(2, 20 * PACKET_TICKS, b"2", PACKET_TICKS, 0.4)
    assert [getattr(piece, "samples", 0) for piece in pieces] == [19 * PACKET_TICKS, 0]


def test_time_goes_on_when_nothing_comes() -> None:
    passage = carry(on_time(range(10)), until_s=10.0)
    assert sum(passage.silences()) / RATE_HZ == pytest.approx(9.8, abs=0.5)


def test_silence_that_was_filled_in_is_not_counted_twice() -> None:
    arrivals = [(n * PACKET_S, n) for n in [*range(50), *range(150, 200)]]
    passage = carry(arrivals)
    assert passage.samples == pytest.approx(200 * PACKET_TICKS, abs=PACKET_TICKS)


def test_a_stream_that_begins_anew_is_heard() -> None:
    buffer = JitterBuffer()
    for n in range(5):
        buffer.push(30_000 + n, n * 960, b"a", 960, n * PACKET_S)
    for n in range(5):
        assert len(buffer.push(100 + n, n * 960, b"b", 960, 0.1 + n * PACKET_S)) == 1


@given(
    st.lists(st.tuples(st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.floats(0, 0.2)), max_size=200),
    st.sampled_from([0, 120, 960, 5760]),
)
def test_any_packets_are_bounded_in_what_they_cause(packets: list[tuple[int, int, float]], samples: int) -> None:
    buffer, now_s = JitterBuffer(), 0.0
    for sequence, timestamp, pause_s in packets:
        now_s += pause_s
        for piece in buffer.push(sequence, timestamp, b"x", samples, now_s):
            assert 0 < getattr(piece, "samples", 1) <= MAX_SILENCE_S * RATE_HZ
        assert buffer.deadline_s is None or buffer.deadline_s <= now_s + 0.5


@given(st.permutations(range(12)), st.integers(0, 2**16 - 1))
def test_any_order_within_the_patience_is_put_right(order: list[int], first: int) -> None:
    arrivals = [(0.0, -1), *((0.001 * (i + 1), n) for i, n in enumerate(order))]
    assert carry(arrivals, first=first, timestamp=10**6).order == [-1, *range(12)]
