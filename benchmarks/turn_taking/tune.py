"""Makes the weights in ``duologue/session/endpointing.py``, and says what they are worth on speakers not seen.

    python benchmarks/turn_taking/tune.py --audio FOLDER [--ami FOLDER] [--cache FILE]

The data. ``--audio``: a folder of recorded turns with a ``manifest.jsonl`` (see ``duologue.bench.clips``) that names
each clip's speaker; its sets "turns" (hesitations, restarts, long turns) and "commands" are used. The project's own is
made of test recordings of open projects: Montreal Forced Aligner, Azure and Google samples, VAP's stimuli, LibriSpeech,
Common Voice, Unmute and others; each one's origin and licence stands in that manifest. ``--ami``: meetings as WAV files
with RTTM beside them; the project's own are 14 minutes of the AMI Meeting Corpus (CC BY 4.0), as carried in the test
data of pyannote-audio.

What is fitted: a logistic regression of "it is an end" on the log-odds of the sound, of the words and of the speaker's
own silences. Ends and pauses weigh the same in all, and so, nearly, do speakers: each of a speaker's silences counts
one over the root of their number. Each recording is heard twice: with what the speaker's earlier recordings taught, and
as a stranger's. What is printed of a speaker was found without that speaker.

``SILENCES`` is chosen by hand from the second table, which moves its parts one by one. On two cores: three minutes to
hear everything, and a few seconds with a ``--cache``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from duologue.bench.turns import curve
from duologue.bench.turns.pauses import Point, conversations, decision_points, meetings
from duologue.engines.turn.words import finished_prob
from duologue.items import TurnDetection
from duologue.session.endpointing import SILENCES, WEIGHTS, Silences, Weights, sound_log_odds, wait_ms

Doubles = NDArray[np.float64]

# Keeps the weights of speakers like few others small; in units of one standard deviation of each piece of evidence.
RIDGE = 0.01
SHIFTED: dict[str, Silences] = {
    "as it stands": SILENCES,
    "the likely sooner": ((250.0, 0.0), *SILENCES[1:]),
    "more is likely": ((290.0, 0.3), (800.0, 0.7), (820.0, 2.7), (1800.0, 3.0)),
    "less is likely": ((290.0, -0.3), (800.0, 0.1), (820.0, 2.1), (1800.0, 3.0)),
    "doubt waits less": ((290.0, 0.0), (600.0, 0.4), (620.0, 2.4), (1800.0, 3.0)),
    "doubt waits longer": ((290.0, 0.0), (1000.0, 0.4), (1020.0, 2.4), (1800.0, 3.0)),
    "no more doubt from 0.8 s": ((290.0, 0.0), (800.0, 0.4), (810.0, 4.0), (820.0, 5.0)),
    "a slope": ((290.0, 0.0), (600.0, 0.8), (1100.0, 2.3), (1800.0, 4.0)),
}


def main() -> None:
    """Listen, fit, print."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    arguments.add_argument("--audio", type=Path, required=True)
    arguments.add_argument("--ami", type=Path)
    arguments.add_argument("--cache", type=Path)
    given = arguments.parse_args()
    spoken = conversations(given.audio, ("turns", "commands"))
    if given.ami is not None:
        spoken |= meetings(given.ami)
    points = decision_points(spoken, given.cache)
    pauses = sum(point.goes_on for point in points)
    print(f"{pauses} pauses, {len(points) - pauses} ends, {len(spoken)} speakers")
    weights, left_out = fit(points)
    print("fitted    ", _rounded(weights))
    print("standing  ", _rounded(WEIGHTS))
    print("\nwith a speaker's weights found without that speaker")
    print_silences(points, left_out)
    print("\nthe curve, as it stands (in sample but for the sweep of patience)")
    for each in curve.curves(points):
        shares = [_percent(each.cut_share_at(wait)) for wait in curve.MEAN_WAITS_MS]
        waits = [f"{wait:.0f} ms" if (wait := each.wait_at(share)) else "-" for share in curve.CUT_SHARES]
        print(f"{each.detector:10}", *(f"{text:>8}" for text in (*shares, *waits)))


def fit(points: Sequence[Point]) -> tuple[Weights, dict[str, Weights]]:
    """The weights for all, and for each speaker those without that speaker."""
    evidence, is_end, speakers = _evidence(points)
    counts = Counter(zip(speakers, is_end, strict=True))
    counting = np.array([counts[key] ** -0.5 for key in zip(speakers, is_end, strict=True)])
    for side in (True, False):
        counting[is_end == side] /= counting[is_end == side].sum()
    named = np.array(speakers)
    without = {
        speaker: _logistic(evidence[named != speaker], is_end[named != speaker], counting[named != speaker])
        for speaker in set(speakers)
    }
    return _logistic(evidence, is_end, counting), without


def _evidence(points: Sequence[Point]) -> tuple[Doubles, NDArray[np.bool_], list[str]]:
    """(log-odds [n, 3] of sound, words and own silences; which are ends; whose), of known and unknown speakers."""
    rows, is_end, speakers = [], [], []
    for as_spoken in (points, [msgspec.structs.replace(point, speaker=point.clip) for point in points]):
        for point, heard, known in zip(points, as_spoken, curve.what_is_known(as_spoken), strict=True):
            if heard.judged is not None and heard.words is not None:
                words = finished_prob(heard.words[1])
                own = known[-1][1].own.end_log_odds
                rows.append((sound_log_odds(heard.judged[1]), float(np.log(words / (1 - words))), own))
                is_end.append(not point.goes_on)
                speakers.append(point.speaker)
    return np.array(rows), np.array(is_end), speakers


def _logistic(evidence: Doubles, is_end: NDArray[np.bool_], counting: Doubles) -> Weights:
    """Ridge logistic regression by Newton's method."""
    scale = evidence.std(axis=0)
    rows = np.column_stack([np.ones(len(evidence)), evidence / scale])
    ridge = np.diag([0.0, *[2 * RIDGE] * evidence.shape[1]])
    weights = np.zeros(rows.shape[1])
    for _ in range(25):
        probs = 1 / (1 + np.exp(-rows @ weights))
        slope = rows.T @ (counting * (probs - is_end)) + ridge @ weights
        curvature = (rows * (counting * probs * (1 - probs))[:, None]).T @ rows + ridge
        weights -= np.linalg.solve(curvature, slope)
    always, sound, words, own = (float(weight) for weight in (weights[0], *(weights[1:] / scale)))
    return Weights(always, sound, words, own)


def print_silences(points: Sequence[Point], left_out: dict[str, Weights]) -> None:
    """What moving the parts of ``SILENCES`` would do."""
    print(f"{'':24}{'known speakers: p50, p95 ms, cut':>36}{'strangers':>26}")
    for name, silences in SHIFTED.items():
        moved = {speaker: replace(weights, silences=silences) for speaker, weights in left_out.items()}
        figures = " ".join(f"{text:>30}" for text in _figures(points, moved))
        print(f"{name:24}{figures}")


def _figures(points: Sequence[Point], left_out: dict[str, Weights]) -> Iterator[str]:
    """ "p50 / p95 ms, share of pauses cut" of known speakers, and of strangers."""
    for as_spoken in (points, [msgspec.structs.replace(point, speaker=point.clip) for point in points]):
        taken = [
            curve.taken_ms(known, partial(wait_ms, detection=TurnDetection(), weights=left_out[point.speaker]))
            if point.speaker in left_out
            else np.inf
            for point, known in zip(points, curve.what_is_known(as_spoken), strict=True)
        ]
        waits = [at_ms + point.lag_ms for at_ms, point in zip(taken, points, strict=True) if not point.goes_on]
        cuts = [
            point.resumed_ms is not None and at_ms < point.resumed_ms
            for at_ms, point in zip(taken, points, strict=True)
            if point.goes_on
        ]
        yield f"{np.percentile(waits, 50):.0f} / {np.percentile(waits, 95):.0f}, {_percent(float(np.mean(cuts)))}"


def _rounded(weights: Weights) -> str:
    return f"always {weights.always:.2f}  sound {weights.sound:.2f}  words {weights.words:.2f}  own {weights.own:.2f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


if __name__ == "__main__":
    main()
