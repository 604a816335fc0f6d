"""How much of what the microphone hears is the very answer that is being played.

A listener without echo cancellation sends the answer back: later by an unknown delay, coloured by loudspeaker and room.
So a filter is sought that makes what is heard out of what is played, and what it cannot make is the listener's own. The
delay comes from a cross-correlation of both, whitened by linear prediction; the filter from least squares with an
exponentially decaying prior (the shape of a room's response), in the band from 250 to 1850 Hz, which every telephone
and loudspeaker passes. What a filter so long would explain of anything is taken off again.

The filter is kept, with its certainty, as the prior of the next judgement (recursive least squares), wherever in time
the echo is by then: clients buffer, and clocks drift.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from duologue.audio.frame import SESSION_RATE_HZ, Float32, ms_to_samples

LONGEST_DELAY_MS = 600.0
# The playout clock may be late: the listener hears a sound up to so much before the clock says so.
MOST_EARLY_MS = 40.0
BEFORE_SAMPLES = ms_to_samples(LONGEST_DELAY_MS)
AFTER_SAMPLES = ms_to_samples(MOST_EARLY_MS)
# From this likeness on what is heard is the answer, and nobody who speaks louder than 6 dB below it.
ECHO_LIKENESS = 0.8

# Fewer samples to look at: every fourth, of a narrow band that is tilted up by 6 dB an octave, as speech falls.
_STEP = 4
_BAND_HZ = (250.0, 1850.0)
_TILT = 0.9
_BAND_TAPS = 97
# 48 ms of filter, 2 ms of it ahead of the loudest arrival. 60 dB of a room's sound are gone in 0.2 to 0.4 s.
_TAPS = 192
_AHEAD = 8
_DECAY = 0.07 * SESSION_RATE_HZ / _STEP
_PRIOR = 0.01
# The echo's first 10 ms tell its delay.
_ARRIVAL = 40
_PREDICTION_ORDER = 12
# What is quieter than -90 dBFS in this band is silence.
_SILENCE = 10 ** (-90 / 20)
# A judgement this sure needs no second opinion.
_SURE = 0.9
# So little sound of one voice can be made out of another (80 ms to two thirds, 120 to 0.4): until its way is known,
# echo is not told from it by less than the first, and not by less than the second at all. Silence around tells nothing.
_ENOUGH = ms_to_samples(150) // _STEP
_LEAST = ms_to_samples(80) // _STEP
# What is within 40 dB of the loudest 8 ms sounds.
_BLOCK = ms_to_samples(8) // _STEP
_SOUNDING = 1e-4
_DOUBTFUL = 0.65
# What was learned counts for half after 2 s of echo.
_FORGET = 0.5 ** (1 / (2.0 * SESSION_RATE_HZ / _STEP))

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Echo:
    """``likeness``: the share of the microphone's energy that the played sound explains, 0 to 1; ``delay_ms``: how
    long after the playout clock it is heard, None below ``ECHO_LIKENESS``."""

    likeness: float
    delay_ms: float | None


class _Known(NamedTuple):
    """A filter with its certainty: ``certainty`` @ filter = ``evidence``, in units of what it left unexplained."""

    certainty: Float64
    evidence: Float64
    taps: Float64


class _Fit(NamedTuple):
    likeness: float
    at: int
    known: _Known


class EchoPath:
    """What is known of one listener's way from loudspeaker to microphone: learned from what was echo.

    `judge` takes 3 ms for 300 ms of sound, 5 where the known way explains only part of it; on one core of two."""

    def __init__(self) -> None:
        self._known: _Known | None = None

    def judge(self, heard: Float32, played: Float32) -> Echo:
        """``heard``: float32 [n] at 16 kHz, the last 100 to 600 ms of the microphone. ``played``: float32
        [BEFORE_SAMPLES + n + AFTER_SAMPLES], what comes out by the playout clock from ``LONGEST_DELAY_MS`` before
        ``heard``'s first sample until ``MOST_EARLY_MS`` after its last (silence where it is not known). Raises
        ValueError for other lengths."""
        if len(played) != BEFORE_SAMPLES + len(heard) + AFTER_SAMPLES:
            raise ValueError(f"played must be {BEFORE_SAMPLES} + {len(heard)} + {AFTER_SAMPLES} samples long")
        mic, out = _narrow(heard), _narrow(played)
        if _is_silent(mic) or _is_silent(out):
            return Echo(0.0, None)
        found = self._follow(mic, out, played)
        sounding = _sounding(mic)
        if found is None or found.likeness < _SURE:
            found = self._afresh(mic, out, found, sounding)
        if sounding < _LEAST:
            found = found._replace(likeness=min(found.likeness, _DOUBTFUL))
        if found.likeness < ECHO_LIKENESS:
            return Echo(found.likeness, None)
        self._known = found.known
        return Echo(found.likeness, (BEFORE_SAMPLES - found.at) * 1000 / SESSION_RATE_HZ)

    def _follow(self, mic: Float64, out: Float64, played: Float32) -> _Fit | None:
        """By the known filter, wherever its echo is by now."""
        if self._known is None:
            return None
        at = _whereabouts(mic, out, self._known.taps)
        return _fit(mic, _narrow(played[at % _STEP :]), at, self._known)

    def _afresh(self, mic: Float64, out: Float64, found: _Fit | None, sounding: int) -> _Fit:
        """As if nothing were known; ``found`` where that explains more. ``sounding``: of how much of ``mic`` it is."""
        if found is not None and sounding < _ENOUGH:
            return found
        afresh = _fit(mic, out, _arrival(mic, out) * _STEP, None)
        if sounding < _ENOUGH:
            return afresh._replace(likeness=min(afresh.likeness, _DOUBTFUL))
        return afresh if found is None or afresh.likeness > found.likeness else found


@cache
def _band() -> Float32:
    """The band's filter, reversed: float32 [_BAND_TAPS + 1]."""
    time = np.arange(_BAND_TAPS) - _BAND_TAPS // 2
    low, high = (2 * edge / SESSION_RATE_HZ for edge in _BAND_HZ)
    band = (high * np.sinc(high * time) - low * np.sinc(low * time)) * np.hanning(_BAND_TAPS + 2)[1:-1]
    tilted: Float32 = np.convolve(band, [1.0, -_TILT])[::-1].astype(np.float32)
    return tilted


def _narrow(sound: Float32) -> Float64:
    """float32 [n] at 16 kHz -> float64 [(n - 98) // 4 + 1]."""
    narrow: Float64 = (sliding_window_view(sound, _BAND_TAPS + 1)[::_STEP] @ _band()).astype(np.float64)
    return narrow


def _is_silent(sound: Float64) -> bool:
    return float(sound @ sound) < len(sound) * _SILENCE**2


def _sounding(sound: Float64) -> int:
    """How many samples of it belong to blocks of 8 ms that sound."""
    blocks = sound[: len(sound) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    energy = np.square(blocks).sum(axis=1)
    return int(np.count_nonzero(energy > energy.max() * _SOUNDING)) * _BLOCK


def _filtered(sound: Float64, taps: Float64) -> Float64:
    """float64 [n] -> float64 [n - len(taps) + 1]."""
    return np.convolve(sound, taps, "valid").astype(np.float64, copy=False)


def _whitening(sound: Float64) -> Float64:
    """The inverse filter of linear prediction (autocorrelation method): float64 [_PREDICTION_ORDER + 1]."""
    size = 1 << (2 * len(sound) - 1).bit_length()
    power = np.abs(np.fft.rfft(sound, size)) ** 2
    likeness = np.fft.irfft(power, size)[: _PREDICTION_ORDER + 1]
    likeness[0] *= 1.001
    lags = np.abs(np.subtract.outer(np.arange(_PREDICTION_ORDER), np.arange(_PREDICTION_ORDER)))
    return np.concatenate([[1.0], -np.linalg.solve(likeness[lags], likeness[1:])])


def _explained(mic: Float64, out: Float64) -> tuple[Float64, Float64]:
    """By ``out`` from each place on, as it is: the share of ``mic``'s energy, float64 [len(out) - len(mic) + 1]; and
    the spectrum of their cross-correlation."""
    places = len(out) - len(mic) + 1
    size = 1 << (len(out) - 1).bit_length()
    spectrum = np.fft.rfft(out, size) * np.conj(np.fft.rfft(mic, size))
    cross = np.fft.irfft(spectrum, size)[:places]
    sums = np.concatenate([[0.0], np.cumsum(out**2)])
    energy = sums[len(mic) :] - sums[: -len(mic)]
    # Where next to nothing is played, anything is like it.
    return cross**2 / ((energy + 0.001 * energy.max() + 1e-20) * float(mic @ mic)), spectrum


def _arrival(mic: Float64, out: Float64) -> int:
    """Where in ``out`` the echo's loudest arrival begins, by ``out`` alone."""
    white = _whitening(out)
    share, _ = _explained(_filtered(mic, white), _filtered(out, white))
    # What arrives later by the room was played earlier.
    reverberant = np.convolve(share, np.exp(-np.arange(_ARRIVAL) / 15.0))[: len(share)]
    return int(np.argmax(reverberant))


def _whereabouts(mic: Float64, out: Float64, taps: Float64) -> int:
    """Where in the played sound, in its own samples, the echo begins that ``taps`` make of it."""
    predicted = _filtered(np.concatenate([np.zeros(_TAPS - 1 - _AHEAD), out, np.zeros(_AHEAD)]), taps)
    share, spectrum = _explained(mic, predicted)
    coarse = int(np.argmax(share)) * _STEP
    # The same correlation at the full rate: a quarter of a narrow sample is 30 degrees at the band's upper edge.
    size = 2 * (len(spectrum) - 1) * _STEP
    fine = np.fft.irfft(spectrum, size)
    around = np.arange(max(0, coarse - _STEP), coarse + _STEP + 1)
    return int(around[np.argmax(np.abs(fine[around]))])


def _fit(mic: Float64, out: Float64, at: int, before: _Known | None) -> _Fit:
    """Least squares for the filter that makes ``mic`` of ``out``'s samples from ``at`` // _STEP on."""
    length = len(mic)
    first = at // _STEP
    # At the latest place the filter's head looks beyond the end, by a sample more where ``out`` was shifted.
    beyond = max(0, first + _AHEAD + length - len(out))
    padded = np.concatenate([np.zeros(2 * _TAPS), out, np.zeros(beyond)])
    origin = first + 2 * _TAPS + _AHEAD
    late = padded[origin - _TAPS + 1 : origin + length]
    products = _products(padded, origin, length)
    agreement = np.correlate(late, mic, "valid")[::-1]
    unexplained = mic if before is None else mic - _filtered(late, before.taps)
    weight = length / (float(unexplained @ unexplained) + length * _SILENCE**2)
    certainty, evidence = products * weight, agreement * weight
    if before is not None:
        kept = _FORGET**length
        certainty, evidence = certainty + kept * before.certainty, evidence + kept * before.evidence
    # Where nothing was played there is still something to divide by.
    least = weight * length * _SILENCE**2
    steady = certainty + np.diag(_prior() * (_PRIOR * certainty.trace() / _TAPS + least))
    solved = np.linalg.solve(steady, np.column_stack([evidence, products @ _PROBES * weight]))
    taps = solved[:, 0]
    left = mic - _filtered(late, taps)
    # The expected share of the filter's freedom that went into this sound (Hutchinson's estimate of a trace).
    freedom = float(np.sum(_PROBES * solved[:, 1:])) / _PROBES.shape[1]
    rest = float(left @ left) / float(mic @ mic) * length / max(1.0, length - freedom)
    return _Fit(min(1.0, max(0.0, 1.0 - rest)), at, _Known(certainty, evidence, taps))


def _products(sound: Float64, origin: int, length: int) -> Float64:
    """The sums over time of ``sound`` at every two of the filter's taps: float64 [_TAPS, _TAPS]. Each is its
    neighbour on the diagonal but for one sample that comes and one that goes."""
    coming = sound[origin - 2 * _TAPS + 1 : origin][::-1]
    going = sound[origin + length - 2 * _TAPS + 1 : origin + length][::-1]
    by_lag = np.empty((_TAPS, _TAPS))
    now = sound[origin : origin + length]
    by_lag[:, 0] = np.correlate(sound[origin - _TAPS + 1 : origin + length], now, "valid")[::-1]
    by_lag[:, 1:] = (_beside(coming) - _beside(going))[:, :-1]
    products: Float64 = np.cumsum(by_lag, axis=1).ravel()[_places()]
    return products


@cache
def _places() -> NDArray[np.int64]:
    """Where in [lag, tap] the product of every two taps stands: [_TAPS, _TAPS]."""
    taps = np.arange(_TAPS, dtype=np.int64)
    places: NDArray[np.int64] = np.abs(np.subtract.outer(taps, taps)) * _TAPS + np.minimum.outer(taps, taps)
    return places


def _beside(line: Float64) -> Float64:
    """At [lag, i] sample i times the one that stands ``lag`` behind it: float64 [_TAPS, _TAPS]."""
    products: Float64 = sliding_window_view(line, _TAPS)[:_TAPS] * line[:_TAPS]
    return products


@cache
def _prior() -> Float64:
    """How sure it is, before anything was heard, that a tap is nothing: float64 [_TAPS]."""
    late = np.maximum(0, np.arange(_TAPS) - _AHEAD)
    prior: Float64 = np.exp(2.0 * late / _DECAY)
    return prior


_PROBES: Float64 = np.random.default_rng(0).choice([-1.0, 1.0], (_TAPS, 8))
