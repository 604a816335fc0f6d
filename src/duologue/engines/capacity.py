"""What one more session would do to the slowest tenth of turns.

The time that people wait, once it is known that a turn is over, is the work of the answer (*path*: words, reply, first
sound, each as long as it takes alone) and the waits before it, for the threads of each device and for the event loop,
which all sessions share; less the head start that an attempt has, which began in the pause. The waits follow from how
much of these a session takes (``queueing``). That is learned while people talk; before, the measurement at the start
and the habits of people count. A session counts in full as soon as it is admitted: what it will cost it has not cost
yet.

No I/O and no clock: whoever uses it says how much time went by.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from duologue.engines import queueing
from duologue.engines.client import StageStats

# People in conversation: a turn begins so often.
TURN_EVERY_S = 8.0
# Requests of one turn, more than one where pauses within it were taken for its end. Sound comes all the time.
PER_TURN = {"turn": 1.5, "asr": 1.5, "speech": 1.5, "chat": 1.5, "tts": 3.0, "vad": TURN_EVERY_S / 0.032}
# The stages that a listener waits for, one after the other; with a model that hears, and without.
PATH_HEARD, PATH = ("speech", "tts"), ("asr", "chat", "tts")
# Of the event loop, a second of a session: a measured session of ours takes 4 to 8 ms.
LOOP_SHARE = 0.005
# One thing that the loop does, how much these vary (squared coefficient of variation), and how often an answer waits
# for its turn there between the end of speech and its first frame.
LOOP_STEP_S, LOOP_VARIES, LOOP_TURNS = 0.0005, 4.0, 12
# Requests of one stage vary so (the same): sentences of two and of eight seconds. A pause asks for two things at once:
# for the words, and whether the turn is over.
VARIES, TOGETHER = 0.5, 2
# A window of sound in a step with many others costs so much of one by itself: 0.07 ms of 0.20.
SHARED = 0.35
# What a session does is learned over minutes, and what is believed beforehand counts as one of them; what is done
# besides, and what a request costs, is learned sooner. Each fades by half in so long.
HALF_S, TRUST_S = 180.0, 60.0
SOON_S, TRUST_SOON_S, TRUST_REQUESTS = 20.0, 2.0, 4.0
# How wrong a belief of what a session does may well be; and of what is done besides, in seconds of a thread, or of the
# loop, a second. The loop takes 5 ms more for each further session, but 30 for the first: wakes are shared.
UNSURE, OTHER_S, LOOP_OTHER_S = 0.5, 0.1, 0.1
# A session is never taken for less, or more, than so many times what is believed beforehand: a crowd that is silent
# now may speak all at once.
LEAST, MOST = 0.5, 8.0
# Where one session alone takes longer than the target, or nearly, all may take so much longer than one.
SLOWER = 1.2


class _Fading:
    """Sums over time that fade by half in ``half_s``."""

    def __init__(self, half_s: float) -> None:
        self._half_s = half_s
        self.amount = self.session_s = self.wall_s = 0.0

    def add(self, amount: float, sessions: int, seconds: float, weight: float = 1.0) -> None:
        kept = 0.5 ** (seconds / self._half_s)
        self.amount = self.amount * kept + amount * weight
        self.session_s = self.session_s * kept + sessions * seconds * weight
        self.wall_s = self.wall_s * kept + seconds * weight


class _Learned:
    """How much of something a session does in a second, and how much is done besides.

    What was measured is a sum of both. Of what is beyond belief each has the part that fits how uncertain it was
    (``other`` for what is done besides, a second): from few sessions little is learned of what one more would add.
    """

    def __init__(self, believed: float) -> None:
        self._believed = believed
        self._long, self._short = _Fading(HALF_S), _Fading(SOON_S)

    def learn(self, amount: float, sessions: int, seconds: float, weight: float) -> None:
        """``amount`` in ``seconds`` with ``sessions``; so much of it counts as being like it will be."""
        self._short.add(amount, sessions, seconds)
        self._long.add(amount, sessions, seconds, weight if sessions else 0.0)

    def a_session(self, other: float) -> float:
        if self._long.session_s < 1:
            return self._believed
        sessions = self._long.session_s / self._long.wall_s
        beyond = self._long.amount / self._long.wall_s - self._believed * sessions
        unsure = (UNSURE * self._believed * sessions) ** 2
        theirs = unsure / (unsure + other**2) if beyond > 0 else 1.0
        trusted = self._long.wall_s / (self._long.wall_s + TRUST_S)
        found = self._believed + trusted * theirs * beyond / sessions
        return min(max(found, LEAST * self._believed), MOST * self._believed)

    def besides(self, other: float) -> float:
        rest = self._short.amount - self.a_session(other) * self._short.session_s
        return max(0.0, rest) / (self._short.wall_s + TRUST_SOON_S)


class _StageCost:
    """What is known of one stage."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.stats = StageStats(engine="")
        self._best_s = math.inf
        self._rate = _Learned(PER_TURN.get(stage, 1.0) / TURN_EVERY_S)
        self._requests = self._busy_s = 0.0

    def learn(self, stats: StageStats, sessions: int, seconds: float, weight: float) -> None:
        requests = _urgent(stats) - _urgent(self.stats)
        busy_s = _urgent_s(stats) - _urgent_s(self.stats)
        self.stats = stats
        if not stats.device and stats.step_p50_ms is not None:
            self._best_s = min(self._best_s, stats.step_p50_ms / 1000)
        self._rate.learn(max(0, requests), sessions, seconds, weight)
        kept = 0.5 ** (seconds / SOON_S)
        self._requests = self._requests * kept + max(0, requests)
        self._busy_s = self._busy_s * kept + max(0.0, busy_s)

    @property
    def cost_s(self) -> float:
        """Thread-seconds a request: as measured alone at first, then as it turns out, in batches and beside others."""
        alone_s = (self.stats.alone_ms or 0.0) / 1000
        trusted = TRUST_REQUESTS if alone_s else 0.0
        requests = self._requests + trusted
        return (self._busy_s + alone_s * trusted) / requests if requests else 0.0

    @property
    def alone_s(self) -> float:
        """How long a listener waits for it when nobody else is there; for what is stepped elsewhere, the best that
        was seen: what others ask of it there is not known here."""
        if self.stats.device:
            return max(self.cost_s, (self.stats.alone_ms or 0.0) / 1000)
        return 0.0 if math.isinf(self._best_s) else self._best_s

    @property
    def a_session(self) -> float:
        """Thread-seconds that a session takes each second."""
        return self.rate * self._more_s

    @property
    def besides(self) -> float:
        return self._rate.besides(self._other) * self.cost_s

    @property
    def rate(self) -> float:
        """Requests of a session a second."""
        return self._rate.a_session(self._other)

    @property
    def _more_s(self) -> float:
        """What a request more costs: less than one alone, where all that listen share one step."""
        return self.cost_s if not self.stats.is_realtime else min(self.cost_s, SHARED * self.alone_s)

    @property
    def _other(self) -> float:
        return OTHER_S / max(self.cost_s, LOOP_STEP_S)


@dataclass(frozen=True, slots=True)
class Station:
    """Servers that work is queued for. ``a_session``: how many of them one session keeps busy; ``besides``: how many
    are busy otherwise; ``mean_s``, ``square_s2``: of one piece of work, of which so many come ``together``;
    ``visits``: how often a turn waits here."""

    servers: int
    a_session: float
    besides: float
    mean_s: float
    square_s2: float
    visits: int
    together: int = 1

    def wait(self, sessions: int) -> queueing.Wait:
        load = self.besides + sessions * self.a_session
        return queueing.wait(self.servers, load, self.mean_s, self.square_s2, self.together)


class Capacity:
    """``target_ms``: what the 90th percentile of reaction times should stay within; 0: anything will do.

    ``head_start_ms``: how long before the end of a turn is known the work on its answer begins.
    """

    def __init__(self, target_ms: float, head_start_ms: float = 0.0) -> None:
        self.target_ms, self.head_start_ms = target_ms, head_start_ms
        self._stages: dict[str, _StageCost] = {}
        self._loop = _Learned(LOOP_SHARE)

    def learn(
        self,
        stats: Mapping[str, StageStats],
        *,
        seconds: float,
        sessions: int,
        settled: int,
        loop_busy_s: float,
    ) -> None:
        """In the last ``seconds`` there were ``sessions``, ``settled`` of them long enough to have talked.

        ``stats`` count from the start. ``loop_busy_s``: how long the event loop worked.
        """
        # Newcomers have cost nothing yet: what is measured among them says little.
        weight = settled / sessions if sessions else 1.0
        self._loop.learn(loop_busy_s, sessions, seconds, weight)
        for stage, now in stats.items():
            self._stages.setdefault(stage, _StageCost(stage)).learn(now, sessions, seconds, weight)

    def predict_p90_ms(self, sessions: int) -> float:
        """With so many sessions nine turns of ten are answered within this time of their end; inf: nobody knows."""
        return max(0.0, self._predict_s(list(self._stations()), sessions) * 1000 - self.head_start_ms)

    def most(self, limit: int) -> int:
        """So many sessions, up to ``limit``, keep within the target."""
        if not self.target_ms:
            return limit
        stations = list(self._stations())
        target_s = max((self.target_ms + self.head_start_ms) / 1000, SLOWER * self._predict_s(stations, 1))
        if math.isinf(target_s):
            return 0
        fits, too_many = 0, limit + 1
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            if self._predict_s(stations, middle) <= target_s:
                fits = middle
            else:
                too_many = middle
        return fits

    def _predict_s(self, stations: list[Station], sessions: int) -> float:
        """From the beginning of the work."""
        waits = queueing.in_a_row((station.visits, station.wait(sessions)) for station in stations)
        path_s = [self._stages[stage].alone_s for stage in self._path if stage in self._stages]
        varies_s = math.sqrt(VARIES * sum(each_s**2 for each_s in path_s))
        return sum(path_s) + queueing.beside(queueing.percentile_90(waits), waits.mean_s, varies_s)

    @property
    def _path(self) -> tuple[str, ...]:
        return PATH_HEARD if "speech" in self._stages else PATH

    def _stations(self) -> Iterator[Station]:
        square_s2 = LOOP_STEP_S**2 * (1 + LOOP_VARIES)
        a_session, besides = self._loop.a_session(LOOP_OTHER_S), self._loop.besides(LOOP_OTHER_S)
        loop = Station(1, a_session, besides, LOOP_STEP_S, square_s2, LOOP_TURNS)
        yield loop
        for device in {each.stats.device for each in self._stages.values() if each.stats.device}:
            yield self._device(device, loop)

    def _device(self, device: str, loop: Station) -> Station:
        """A device's threads. The loop runs on the same cores as the threads of the CPU, and takes from them."""
        costs = [each for each in self._stages.values() if each.stats.device == device]
        # What runs on every window of sound has a thread of its own: it takes from the cores, but is not queued for.
        queued = [each for each in costs if not each.stats.is_realtime]
        extra, besides = (loop.a_session, loop.besides) if device == "cpu" else (0.0, 0.0)
        rate = sum(each.rate for each in queued)
        mean_s = sum(each.a_session for each in queued) / rate if rate else 0.0
        square_s2 = sum(each.rate * each.cost_s**2 * (1 + VARIES) for each in queued) / rate if rate else 0.0
        return Station(
            servers=max(each.stats.threads for each in costs),
            a_session=sum(each.a_session for each in costs) + extra,
            besides=sum(each.besides for each in costs) + besides,
            mean_s=mean_s,
            square_s2=square_s2,
            visits=sum(each.stage in self._path for each in queued),
            together=TOGETHER,
        )


def _urgent(stats: StageStats) -> int:
    return stats.requests - stats.spare


def _urgent_s(stats: StageStats) -> float:
    return stats.busy_s - stats.spare_s
