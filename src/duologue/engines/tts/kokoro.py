"""Kokoro as a Synthesizer: a natural voice of 82 million parameters, spoken phrase by phrase.

Text becomes phonemes (``kokoro_phonemes``), a voice gives the style for their number (``kokoro_voices``), the network
makes sound and says how long each phoneme lasts (``kokoro_net``), and from that come the times of the words
(``kokoro_sound``). Kokoro-82M: https://huggingface.co/hexgrad/Kokoro-82M, after StyleTTS 2 (Li et al., 2023).
"""

from __future__ import annotations

from collections.abc import Sequence

from duologue.engines.base import SpeakRequest, SpeechChunk
from duologue.engines.tts.kokoro_net import KokoroNet, Spoken, Utterance, load_net, net_folder
from duologue.engines.tts.kokoro_phonemes import LANGUAGES, Phonemes, missing
from duologue.engines.tts.kokoro_sound import Part, parts_of, phrase_of
from duologue.engines.tts.kokoro_symbols import Vocabulary
from duologue.engines.tts.kokoro_voices import Voices
from duologue.errors import EngineUnavailable
from duologue.options import KokoroOptions

_WARM_UP = "Ready when you are."
# Beyond these the network slurs or stretches single sounds.
_MIN_SPEED = 0.25
_MAX_SPEED = 4.0


class Kokoro:
    """Synthesizer on Kokoro. ``speed`` is kept within 0.25 and 4. An unknown voice is spoken by the default.

    A request's voice is a name, or a blend ("af_heart:0.6+bf_emma:0.4"); its language is the voice's.
    """

    name = "kokoro"
    is_realtime = False

    def __init__(self, options: KokoroOptions) -> None:
        self._options = options
        self.max_batch = options.batch
        self.device = "cpu"
        self.voices: tuple[str, ...] = ()
        self._phonemes: Phonemes | None = None
        self._net: KokoroNet | None = None

    def load(self) -> None:
        """Bring in network, voices and lexicons, and speak once.

        Raises EngineUnavailable for what is missing, ConfigError for a default voice that is none.
        """
        _require_languages(self._options.voice)
        folder = net_folder(self._options)
        self._vocabulary = Vocabulary.read(folder)
        self._voices = Voices(folder, self._options.voice, is_spoken=lambda language: not missing(language))
        self._phonemes = Phonemes(self._vocabulary)
        self._net = net = load_net(self._options)
        self.max_batch, self.device = net.max_batch, net.device
        self.voices = self._voices.names
        self.step([SpeakRequest(text=_WARM_UP)])

    def step(self, requests: Sequence[SpeakRequest]) -> list[SpeechChunk]:
        """Each phrase whole. One of nothing that can be said is 40 ms of silence.

        Raises EngineLost where espeak-ng's process dies twice in a row.
        """
        planned = [self._plan(request) for request in requests]
        utterances = [utterance for _, chosen in planned for utterance in chosen]
        spoken = iter(self._speak(utterances))
        return [
            phrase_of(request.text, parts, [next(spoken) for _ in parts])
            for request, (parts, _) in zip(requests, planned, strict=True)
        ]

    def cost(self, request: SpeakRequest) -> float:
        """In characters."""
        return float(max(1, len(request.text)))

    def sample(self) -> SpeakRequest:
        """A short sentence, in the default voice."""
        return SpeakRequest(text=_WARM_UP)

    def close(self) -> None:
        """Give the network's memory back and end espeak-ng's process; also after a ``load`` that failed."""
        for part in (self._phonemes, self._net):
            if part is not None:
                part.close()

    def _plan(self, request: SpeakRequest) -> tuple[list[Part], list[Utterance]]:
        assert self._phonemes is not None, "a step comes after load"
        voice = self._voices.get(request.voice)
        speed = min(max(request.speed, _MIN_SPEED), _MAX_SPEED) if request.speed > 0 else 1.0
        parts = parts_of(self._phonemes.sounds(request.text, voice.language), self._vocabulary)
        return parts, [Utterance(part.tokens, voice.style(len(part.tokens)), speed) for part in parts]

    def _speak(self, utterances: Sequence[Utterance]) -> list[Spoken]:
        """Of like length together: a batch lasts as long as its longest."""
        assert self._net is not None, "a step comes after load"
        order = sorted(range(len(utterances)), key=lambda place: len(utterances[place].tokens))
        spoken: dict[int, Spoken] = {}
        for start in range(0, len(order), self.max_batch):
            places = order[start : start + self.max_batch]
            results = self._net.speak([utterances[place] for place in places])
            spoken |= zip(places, results, strict=True)
        return [spoken[place] for place in range(len(utterances))]


def _require_languages(voice: str) -> None:
    """Raises EngineUnavailable where the default voice's language cannot be spoken here."""
    for part in voice.split("+"):
        language = part.strip()[:1]
        why_not = missing(language) if language in LANGUAGES else ""
        if why_not:
            raise EngineUnavailable(f'voice = "{voice}": {why_not}')
