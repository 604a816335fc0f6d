"""transformers' own Voxtral beside ours: the same folder, the processor's prompts, ``generate``'s tokens."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from transformers import AutoProcessor, VoxtralForConditionalGeneration

from duologue.audio.frame import Float32
from duologue.engines.speech.rows import Fill, Sound, Step, sound_atoms
from duologue.engines.speech.voxtral_model import VoxtralRows

AUDIO_TOKEN = 24


class Reference:
    """The published way of running the checkpoint."""

    def __init__(self, folder: Path) -> None:
        self.processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
        self.net = VoxtralForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, local_files_only=True)

    def reply_prompt(self, audio: Float32, text: str = "You are terse.") -> Any:
        """The inputs of a user's turn: ``text``, then sound."""
        file = io.BytesIO()
        soundfile.write(file, audio, 16_000, format="wav", subtype="FLOAT")
        sound = {"type": "audio", "base64": base64.b64encode(file.getvalue()).decode()}
        content = [{"type": "text", "text": text}, sound] if text else [sound]
        return self.processor.apply_chat_template([{"role": "user", "content": content}])

    def transcript_prompt(self, audio: Float32, language: str | None = "en") -> Any:
        """The inputs of a transcription. The processor takes 16-bit sound, so ``audio`` must be such."""
        return self.processor.apply_transcription_request(
            [audio], model_id="voxtral", language=language, sampling_rate=16_000, format=["wav"]
        )

    def generate(self, inputs: Any, count: int) -> list[int]:
        """``count`` greedy tokens after the prompt."""
        tokens = self.net.generate(**inputs, max_new_tokens=count, min_new_tokens=count, do_sample=False)
        new: list[int] = tokens[0, inputs.input_ids.shape[1] :].tolist()
        return new


def noise(seconds: float, seed: int) -> Float32:
    """Bursts of noise, about as long as words, float32 at 16 kHz in 16-bit steps."""
    rng = np.random.default_rng(seed)
    samples = int(seconds * 16_000)
    loudness = 0.2 * np.sin(np.arange(samples) * (np.pi / rng.integers(3000, 7000))) ** 2
    sound = np.round(rng.standard_normal(samples) * loudness * 32_767).clip(-32_768, 32_767) / 32_768
    return sound.astype(np.float32)


def prompt_atoms(inputs: Any, sounds: Sequence[Sound]) -> list[int]:
    """The processor's token ids, with the positions of ``sounds`` where it has audio tokens."""
    heard = [atom for sound in sounds for atom in sound_atoms(sound)]
    ids: list[int] = inputs.input_ids[0].tolist()
    assert ids.count(AUDIO_TOKEN) == len(heard)
    places = iter(heard)
    return [next(places) if token == AUDIO_TOKEN else token for token in ids]


def fill_of(row: int, atoms: Sequence[int], *sounds: Sound, start: int = 0) -> Fill:
    return Fill(row=row, start=start, atoms=list(atoms), sounds={sound.key: sound for sound in sounds})


class Talk:
    """One row as a loop would run it: what it holds, and the tokens so far."""

    def __init__(self, row: int, atoms: Sequence[int], first: int) -> None:
        self.row = row
        self.length = len(atoms)
        self.tokens = [first]

    def next_step(self) -> Step:
        return Step(row=self.row, length=self.length, token=self.tokens[-1])


def step_all(model: VoxtralRows, talks: Sequence[Talk]) -> None:
    """One token for each."""
    for talk, token in zip(talks, model.step([talk.next_step() for talk in talks]), strict=True):
        talk.length += 1
        talk.tokens.append(token)


def answer(model: VoxtralRows, row: int, atoms: Sequence[int], sounds: Sequence[Sound], count: int) -> list[int]:
    """``count`` tokens after ``atoms``, filled into ``row`` alone."""
    (first,) = model.fill([fill_of(row, atoms, *sounds)])
    talk = Talk(row, atoms, first)
    while len(talk.tokens) < count:
        step_all(model, [talk])
    return talk.tokens
