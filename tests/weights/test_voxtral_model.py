"""Our rows say what transformers' ``generate`` says, alone and beside others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch: pip install -e .[voxtral]")
pytest.importorskip("transformers", reason="needs transformers: pip install -e .[voxtral]")
pytest.importorskip("mistral_common", reason="needs mistral-common: pip install -e .[voxtral]")

import numpy as np
import torch

from duologue.engines.speech.rows import Fill, Step, sound_atoms
from duologue.engines.speech.voxtral_model import VoxtralRows
from duologue.errors import EngineError, EngineLost
from duologue.options import VoxtralOptions

from .voxtral_reference import Reference, Talk, answer, fill_of, noise, prompt_atoms, step_all

COUNT = 12


@pytest.fixture(scope="module")
def reference(voxtral_folder: Path) -> Reference:
    return Reference(voxtral_folder)


def load(folder: Path, rows: int = 6, **options: Any) -> VoxtralRows:
    return VoxtralRows.load(folder, VoxtralOptions(**{"device": "cpu", "context_tokens": 2048, **options}), rows)


@pytest.fixture(scope="module", params=["grouped", "sdpa"])
def model(voxtral_folder: Path, request: pytest.FixtureRequest) -> VoxtralRows:
    return load(voxtral_folder, attention=request.param)


@pytest.mark.parametrize("seconds", [0.3, 4.0, 29.999, 31.0, 64.0])
def test_answer_equals_generate(model: VoxtralRows, reference: Reference, seconds: float) -> None:
    audio = noise(seconds, seed=3)
    inputs = reference.reply_prompt(audio)
    (sound,) = model.encode([audio])
    expected = reference.generate(inputs, COUNT)
    assert answer(model, 2, prompt_atoms(inputs, [sound]), [sound], COUNT) == expected
    assert len(set(expected)) > COUNT // 2, "an answer that repeats itself would prove little"


def test_sound_of_several_windows_has_375_positions_for_each(model: VoxtralRows) -> None:
    sounds = model.encode([noise(1, 1), noise(31, 2), noise(30, 3)])
    assert [sound.tokens for sound in sounds] == [375, 750, 375]
    assert len({sound.key for sound in sounds}) == 3
    assert all(sound.key > 0 for sound in sounds)


def test_encoding_together_equals_encoding_alone(model: VoxtralRows) -> None:
    audio = [noise(seconds, seed=int(seconds)) for seconds in (2, 45, 5, 1, 8, 3, 7, 6, 4)]
    for together, heard in zip(model.encode(audio), audio, strict=True):
        (alone,) = model.encode([heard])
        torch.testing.assert_close(together.embeddings, alone.embeddings, atol=1e-5, rtol=1e-5)
    assert model.encode([]) == []


def test_encoder_equals_transformers(model: VoxtralRows, reference: Reference) -> None:
    audio = noise(33, seed=5)
    features = reference.reply_prompt(audio).input_features
    with torch.inference_mode():
        expected = reference.net.get_audio_features(features).pooler_output
    torch.testing.assert_close(model.encode([audio])[0].embeddings, expected, atol=1e-5, rtol=1e-5)


def test_rows_of_different_lengths_fill_and_step_together(model: VoxtralRows, reference: Reference) -> None:
    audio = [noise(seconds, seed=int(seconds)) for seconds in (2, 31, 5, 9, 62)]
    texts = ["Be brief.", "", "You are terse. You never say more than what was asked for.", "Hello.", "Why?"]
    prompts = [reference.reply_prompt(heard, text) for heard, text in zip(audio, texts, strict=True)]
    sounds = model.encode(audio)
    rows = [4, 0, 5, 1, 2]
    held = [prompt_atoms(inputs, [sound]) for inputs, sound in zip(prompts, sounds, strict=True)]
    assert sum(map(len, held)) > 2048, "more than one pass, so that a prompt is cut between two"
    first = model.fill([fill_of(row, atoms, sound) for row, atoms, sound in zip(rows, held, sounds, strict=True)])
    talks = [Talk(*begun) for begun in zip(rows, held, first, strict=True)]
    for _ in range(COUNT - 1):
        step_all(model, talks)
    assert [talk.tokens for talk in talks] == [reference.generate(inputs, COUNT) for inputs in prompts]


def test_rows_join_late_and_leave(model: VoxtralRows, reference: Reference) -> None:
    audio = [noise(seconds, seed=int(seconds)) for seconds in (3, 4, 6)]
    prompts = [reference.reply_prompt(heard) for heard in audio]
    expected = [reference.generate(inputs, COUNT) for inputs in prompts]
    sounds = model.encode(audio)

    def begin(index: int, row: int) -> Talk:
        atoms = prompt_atoms(prompts[index], [sounds[index]])
        (first,) = model.fill([fill_of(row, atoms, sounds[index])])
        return Talk(row, atoms, first)

    early = begin(0, row=5)
    for _ in range(4):
        step_all(model, [early])
    late = begin(1, row=0)
    for _ in range(5):
        step_all(model, [late, early])
    latest = begin(2, row=3)
    while len(latest.tokens) < COUNT:
        step_all(model, [latest, late] if len(late.tokens) < COUNT else [latest])
    assert early.tokens == expected[0][:10]
    assert late.tokens == expected[1]
    assert latest.tokens == expected[2]


def test_transcript_beside_the_answer_shares_sound_and_steps(model: VoxtralRows, reference: Reference) -> None:
    audio = noise(5, seed=8)
    (sound,) = model.encode([audio])
    prompts = [
        reference.reply_prompt(audio),
        reference.transcript_prompt(audio),
        reference.transcript_prompt(audio, None),
    ]
    held = [prompt_atoms(inputs, [sound]) for inputs in prompts]
    first = model.fill([fill_of(row, atoms, sound) for row, atoms in enumerate(held)])
    talks = [Talk(*begun) for begun in zip(range(3), held, first, strict=True)]
    for _ in range(COUNT - 1):
        step_all(model, talks)
    assert [talk.tokens for talk in talks] == [reference.generate(inputs, COUNT) for inputs in prompts]


def test_rewound_row_remembers_nothing(model: VoxtralRows, reference: Reference) -> None:
    wrong, right = noise(7, seed=1), noise(2, seed=2)
    guess, prompt = reference.reply_prompt(wrong), reference.reply_prompt(right)
    sounds = model.encode([wrong, right])
    answer(model, 1, prompt_atoms(guess, sounds[:1]), sounds[:1], COUNT)
    atoms = prompt_atoms(prompt, sounds[1:])
    start = atoms.index(sound_atoms(sounds[1])[0])
    assert start > 5, "the text before the sound stays"
    (first,) = model.fill([fill_of(1, atoms[start:], sounds[1], start=start)])
    talk = Talk(1, atoms, first)
    for _ in range(COUNT - 1):
        step_all(model, [talk])
    assert talk.tokens == reference.generate(prompt, COUNT)


def test_row_taken_back_amid_a_sound_goes_on_from_there(model: VoxtralRows, reference: Reference) -> None:
    audio = noise(20, seed=4)
    inputs = reference.reply_prompt(audio)
    (sound,) = model.encode([audio])
    atoms = prompt_atoms(inputs, [sound])
    model.fill([fill_of(3, atoms[:200], sound)])
    model.fill([fill_of(3, [*atoms[150:300], 5, 6, 7], sound, start=150)])
    (first,) = model.fill([fill_of(3, atoms[300:], sound, start=300)])
    assert first == reference.generate(inputs, 1)[0]


def test_second_turn_fills_only_what_is_new(model: VoxtralRows) -> None:
    sounds = model.encode([noise(3, 1), noise(2, 2)])
    turn = [1, 3, 25, *sound_atoms(sounds[0]), 4]
    said = answer(model, 0, turn, sounds[:1], 5)
    more = [2, 3, 25, *sound_atoms(sounds[1]), 4]
    (first,) = model.fill([fill_of(0, [said[-1], *more], sounds[1], start=len(turn) + 4)])
    assert [first] == answer(model, 1, [*turn, *said, *more], sounds, 1)


def test_steps_leave_other_rows_alone(model: VoxtralRows) -> None:
    """Three rows step as four lanes; the row that does not step says what it would have said."""
    prompts = [[1, 3, 1000 + row, 4] for row in range(4)]
    alone = [answer(model, 0, prompt, [], COUNT) for prompt in prompts]
    first = model.fill([fill_of(row, prompt) for row, prompt in enumerate(prompts)])
    talks = [Talk(*begun) for begun in zip(range(4), prompts, first, strict=True)]
    for _ in range(COUNT - 1):
        step_all(model, talks[:3])
    for _ in range(COUNT - 1):
        step_all(model, talks[3:])
    assert [talk.tokens for talk in talks] == alone


def test_more_rows_than_one_run_takes(voxtral_folder: Path) -> None:
    model = load(voxtral_folder, rows=70, context_tokens=1024)
    prompts = [[1, 3, *range(1000 + row, 1003 + row % 7 + row), 4] for row in range(70)]
    first = model.fill([fill_of(row, prompt) for row, prompt in enumerate(prompts)])
    talks = [Talk(*begun) for begun in zip(range(70), prompts, first, strict=True)]
    for _ in range(3):
        step_all(model, talks)
    for row in (0, 33, 63, 64, 69):
        assert talks[row].tokens == answer(model, 0, prompts[row], [], 4)
    model.close()


def test_answer_goes_on_past_a_view(voxtral_folder: Path) -> None:
    """Position 1024 is the first that the smallest view does not hold."""
    model = load(voxtral_folder, rows=2, context_tokens=1500)
    assert model.row_tokens == 1536
    atoms = [1, *(1000 + position % 1500 for position in range(1017))]
    stepped = answer(model, 0, atoms, [], 16)
    (filled,) = model.fill([fill_of(1, [*atoms, *stepped[:-1]])])
    assert filled == stepped[-1]


def test_half_precision_hears_alike(voxtral_folder: Path) -> None:
    exact, rough = load(voxtral_folder, rows=1), load(voxtral_folder, rows=1, dtype="bfloat16")
    audio = noise(4, seed=6)
    (sound,), (rough_sound,) = exact.encode([audio]), rough.encode([audio])
    assert rough_sound.embeddings.dtype == torch.bfloat16
    likeness = torch.cosine_similarity(sound.embeddings, rough_sound.embeddings.float())
    assert float(likeness.min()) > 0.995
    assert len(answer(rough, 0, [1, 3, 25, *sound_atoms(rough_sound), 4], [rough_sound], 4)) == 4


def test_temperature(voxtral_folder: Path) -> None:
    def first_tokens(temperature: float) -> list[int]:
        model = load(voxtral_folder, rows=40, temperature=temperature, context_tokens=1024)
        return model.fill([fill_of(row, [1, 3, 1234, 4]) for row in range(40)])

    greedy = first_tokens(0.0)
    assert len(set(greedy)) == 1
    assert first_tokens(0.001) == greedy
    drawn = first_tokens(1.0)
    assert len(set(drawn)) > 1
    assert greedy[0] in first_tokens(0.3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.fill([fill_of(0, [5] * 2049)]), "2049 tokens and its row holds 2048"),
        (lambda model: model.fill([fill_of(0, [5, 6], start=2047)]), "2049 tokens"),
        (lambda model: model.step([Step(row=0, length=2048, token=5)]), "2049 tokens"),
        (lambda model: model.fill([fill_of(1, [5]), fill_of(1, [6])]), "rows must differ"),
        (lambda model: model.step([Step(row=6, length=0, token=5)]), "below 6"),
        (lambda model: model.fill([fill_of(0, [])]), "needs a token"),
        (lambda model: model.fill([fill_of(0, [5], start=-1)]), "not negative"),
        (lambda model: model.fill([fill_of(0, [5, 4096])]), "4096 is not in the vocabulary"),
        (lambda model: model.fill([Fill(row=0, start=0, atoms=[-(7 << 14)], sounds={})]), "sound 7 is not among"),
        (lambda model: model.encode([np.zeros(6 * 480_000, np.float32)]), "180 s of speech are more than the 150 s"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(model: VoxtralRows, call: Callable[[VoxtralRows], object], message: str) -> None:
    before = answer(model, 0, [1, 3, 1234, 4], [], 3)
    with pytest.raises(EngineError, match=message):
        call(model)
    (token,) = model.step([Step(row=0, length=5, token=before[1])])
    assert token == before[2], "a refused call writes nothing"


def test_a_gpu_that_failed_is_an_engine_lost(model: VoxtralRows, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that whoever asked turns to another engine; an error of one request would be met at every turn."""

    def fail(*_args: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    with monkeypatch.context() as only_here:
        only_here.setattr(model._decoder, "fill", fail)
        with pytest.raises(EngineLost, match="restart the server"):
            model.fill([fill_of(0, [1, 3, 1234, 4])])
    assert model.fill([fill_of(0, [1, 3, 1234, 4])])
