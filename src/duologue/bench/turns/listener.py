"""What somebody notes who listens closely: besides the sound, each phrase and where in the sound it begins, what the
server took a sound for, what it wrote down, and what it remembers when it is asked."""

from __future__ import annotations

from typing import NamedTuple

from duologue.audio.frame import VOICE_RATE_HZ
from duologue.bench.ears import Ears
from duologue.bench.timeline import Answer
from duologue.bench.turns.heard import Phrase, Said
from duologue.bench.wire import ServerEvent


class CutOffAt(NamedTuple):
    """The speaker was flushed: which item was playing, and how much of it had been heard."""

    at: float
    item_id: str
    heard_ms: float


class Verdict(NamedTuple):
    """What the server says that it took a sound for, and after how long by its own account."""

    at: float
    verdict: str
    took_ms: float


class Listener(Ears):
    """``truncates`` False: the server is not told what was cut off. Moments are the caller's.

    ``onsets`` and ``commits``: when the server said that it heard speech, and that a turn was over; ``transcripts``:
    what it then wrote; ``remembered``: by item, its words as they were retrieved. ``is_taken_for_speaking``: the server
    has not said yet that the caller is done.
    """

    def __init__(self, *, keeps_audio: bool = False) -> None:
        super().__init__(keeps_audio=keeps_audio)
        self.truncates = True
        self.said: dict[str, Said] = {}
        self.cuts: list[CutOffAt] = []
        self.verdicts: list[Verdict] = []
        self.onsets: list[float] = []
        self.commits: list[float] = []
        self.transcripts: list[tuple[float, str]] = []
        self.remembered: dict[str, str] = {}
        self.is_taken_for_speaking = False

    @property
    def answers(self) -> list[Answer]:
        """All answers so far, in order."""
        return list(self._answers.values())

    @property
    def is_answering(self) -> bool:
        """True while an answer was announced and is not over."""
        return any(answer.done_at is None for answer in self._answers.values())

    def item_of(self, answer: Answer) -> str:
        """The item that sounds in an answer; "" before its first sound."""
        return self._item_of.get(answer.response_id, "")

    def hear(self, event: ServerEvent, at: float) -> list[dict[str, object]]:
        self._note(event, at)
        return super().hear(event, at)

    def _note(self, event: ServerEvent, at: float) -> None:
        match event.type:
            case "input_audio_buffer.speech_started":
                self.onsets.append(at)
                self.is_taken_for_speaking = True
            case "input_audio_buffer.speech_stopped":
                self.is_taken_for_speaking = False
            case "input_audio_buffer.committed":
                self.commits.append(at)
                self.is_taken_for_speaking = False
            case "conversation.item.input_audio_transcription.completed":
                self.transcripts.append((at, event.transcript or ""))
            case "response.output_audio_transcript.delta":
                said = self._said(event)
                said.phrases.append(Phrase(event.delta or "", said.sent_ms))
            case "response.output_audio.delta":
                self._said(event).sent_ms += event.audio_samples() * 1000 / VOICE_RATE_HZ
            case "response.done" if event.response is not None and event.response.status == "completed":
                # An answer that is cut off has a `response.output_audio.done` as well.
                item_id = self._item_of.get(event.response.id or "", "")
                self.said.setdefault(item_id, Said()).is_whole = True
            case "duologue.overlap.judged":
                self.verdicts.append(Verdict(at, event.verdict or "", event.took_ms or 0.0))
            case "conversation.item.retrieved" if event.item is not None:
                self.remembered[event.item.id or ""] = event.item.words()

    def _said(self, event: ServerEvent) -> Said:
        return self.said.setdefault(event.item_id or "", Said())

    def _cut(self, at: float) -> list[dict[str, object]]:
        playing = self.speaker.current(at)
        if playing is not None:
            heard_ms = self.speaker.heard_s(playing.item_id, at) * 1000
            self.cuts.append(CutOffAt(at, playing.item_id, heard_ms))
        told = super()._cut(at)
        return told if self.truncates else []
