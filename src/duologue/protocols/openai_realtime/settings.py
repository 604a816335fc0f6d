"""The session object of the wire: what is shown, what an update changes, what it means to the session."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import structs

from duologue.errors import ClientError
from duologue.items import SessionConfig, SoundFormat, ToolSpec, TurnDetection, new_id
from duologue.protocols.openai_realtime import fields, tooling
from duologue.protocols.openai_realtime.choices import Anything, Choices, check_language, check_voice
from duologue.protocols.openai_realtime.fields import FORMATS, PCM

Kind = Literal["realtime", "transcription"]

LONGEST_SESSION_S = 60 * 60
LOGPROBS = "item.input_audio_transcription.logprobs"
# Their clients find the ends of turns themselves, and say nothing of it.
_WITHOUT_DETECTION = ("gpt-realtime-whisper", "gpt-live-transcribe")
_SERVER_VAD: dict[str, Any] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_VAD: dict[str, Any] = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
_DETECTIONS = {"server_vad": _SERVER_VAD, "semantic_vad": _SEMANTIC_VAD}
# Taken and shown, without effect; and of what type each may be.
_KEPT: dict[str, tuple[type, ...]] = {"tracing": (str, dict), "prompt": (dict,), "reasoning": (dict,)}
# eagerness -> (how much longer than usual to wait, the longest wait in ms, as OpenAI documents it)
_EAGERNESS = {"low": (1.6, 8_000), "medium": (1.0, 4_000), "high": (0.7, 2_000), "auto": (1.0, 4_000)}
# A second: anything shorter is a pause for breath.
LEAST_IDLE_MS, MOST_IDLE_MS = 1_000, 3_600_000
LEAST_SPEED, MOST_SPEED = 0.25, 1.5
_INPUT, _OUTPUT = "session.audio.input", "session.audio.output"
_DETECTION = f"{_INPUT}.turn_detection"


class WireSession:
    """The effective session: defaults, and every update since. ``kind`` "transcription": nobody answers.

    ``model``: any name, as it came with the connection; with one of ``choices`` that one answers. Another name in an
    update changes nothing: programs send OpenAI's.
    """

    def __init__(
        self,
        model: str,
        defaults: SessionConfig,
        now_s: int,
        kind: Kind = "realtime",
        longest_s: float = LONGEST_SESSION_S,
        choices: Choices | None = None,
    ) -> None:
        self.choices: Choices = choices or Anything()
        self._first_model = model
        self._defaults = defaults
        self._silence_ms: int | None = None
        self._is_detection_given = False
        self.shown: dict[str, Any] = {
            "id": new_id("sess"),
            "object": "realtime.session",
            "type": kind,
            "expires_at": now_s + int(longest_s),
            "audio": {
                "input": {
                    "format": PCM,
                    "transcription": None,
                    "noise_reduction": None,
                    "turn_detection": dict(_SERVER_VAD),
                },
            },
            "include": None,
        }
        self._realtime = {
            "model": model,
            "output_modalities": ["audio"],
            "instructions": defaults.instructions,
            "tools": [],
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "max_output_tokens": "inf",
            "truncation": "auto",
            "tracing": None,
            "prompt": None,
            "reasoning": None,
        }
        self._output = {"format": PCM, "voice": defaults.voice, "speed": defaults.speed}
        self._tools: tuple[ToolSpec, ...] = ()
        self._become(kind)

    @property
    def kind(self) -> Kind:
        return "realtime" if self.shown["type"] == "realtime" else "transcription"

    @property
    def input_format(self) -> SoundFormat:
        return FORMATS[self.shown["audio"]["input"]["format"]["type"]]

    def update(self, change: Mapping[str, Any], *, may_change_kind: bool = False) -> None:
        """Take over the fields that ``change`` has. All or nothing: raises ClientError and changes nothing."""
        asked = self.kind if change.get("type") is None else change["type"]
        kind = fields.one_of(asked, "session.type", ("realtime", "transcription"))
        if kind != self.kind and not may_change_kind:
            raise ClientError(
                f"Invalid value for 'session.type': this session is of type '{self.kind}' and stays so.",
                param="session.type",
            )
        before = (self.shown, self._silence_ms, self._tools)
        self.shown = copy.deepcopy(self.shown)
        try:
            self._become(kind)
            self._merge(change)
            self.config()
        except ClientError:
            self.shown, self._silence_ms, self._tools = before
            raise

    def _become(self, kind: str) -> None:
        self.shown["type"] = kind
        if kind == "realtime":
            self.shown.update({key: value for key, value in self._realtime.items() if key not in self.shown})
            self.shown["audio"].setdefault("output", dict(self._output))
            return
        for key in self._realtime:
            self.shown.pop(key, None)
        self.shown["object"] = "realtime.transcription_session"
        self.shown["audio"].pop("output", None)

    def _merge(self, change: Mapping[str, Any]) -> None:
        if "include" in change:
            include = change["include"]
            self.shown["include"] = None if include is None else fields.strings(include, "session.include")
        audio = fields.object_in(change, "audio", "session")
        self._merge_input(fields.object_in(audio, "input", "session.audio"))
        if self.kind == "realtime":
            self._merge_output(fields.object_in(audio, "output", "session.audio"))
            self._merge_answers(change)

    def _merge_answers(self, change: Mapping[str, Any]) -> None:
        if fields.optional_text(change.get("model"), "session.model") in (self._first_model, *self.choices.models):
            self.shown["model"] = change["model"]
        for key in ("output_modalities", "instructions", "max_output_tokens", "parallel_tool_calls", "truncation"):
            if change.get(key) is not None:
                self.shown[key] = change[key]
        for key, kinds in _KEPT.items():
            if key in change:
                self.shown[key] = fields.kept(change[key], f"session.{key}", kinds)
        if change.get("tools") is not None:
            self._tools = tooling.tools(change["tools"], "session.tools", self._tools)
            self.shown["tools"] = tooling.shown(change["tools"])
            if "tool_choice" not in change and isinstance(self.shown["tool_choice"], dict):
                # The tool that had to be called may be gone.
                self.shown["tool_choice"] = "auto"
        if "tool_choice" in change:
            self.shown["tool_choice"] = "auto" if change["tool_choice"] is None else change["tool_choice"]

    def _merge_input(self, change: Mapping[str, Any]) -> None:
        sound_in = self.shown["audio"]["input"]
        for key in ("transcription", "noise_reduction"):
            if key in change:
                sound_in[key] = None if change[key] is None else _texts(fields.object_in(change, key, _INPUT), key)
        if "transcription" in change:
            language = _language(sound_in["transcription"])
            check_language(language, f"{_INPUT}.transcription.language", self.choices)
        if "turn_detection" in change:
            self._merge_detection(change["turn_detection"])
            self._is_detection_given = True
        model = (sound_in["transcription"] or {}).get("model")
        if self.kind == "transcription" and model in _WITHOUT_DETECTION and not self._is_detection_given:
            sound_in["turn_detection"] = None
        if change.get("format") is not None:
            sound_in["format"] = fields.sound_format(change["format"], f"{_INPUT}.format")

    def _merge_output(self, change: Mapping[str, Any]) -> None:
        sound_out = self.shown["audio"]["output"]
        if change.get("format") is not None:
            sound_out["format"] = fields.sound_format(change["format"], f"{_OUTPUT}.format")
        for key in ("voice", "speed"):
            if change.get(key) is not None:
                sound_out[key] = change[key]
        if change.get("voice") is not None:
            check_voice(fields.voice(change["voice"], f"{_OUTPUT}.voice"), f"{_OUTPUT}.voice", self.choices)

    def _merge_detection(self, change: object) -> None:
        """None turns it off; the same kind keeps earlier fields, another kind starts from its defaults."""
        sound_in = self.shown["audio"]["input"]
        if change is None:
            sound_in["turn_detection"] = None
            return
        if not isinstance(change, dict):
            raise ClientError(f"Invalid type for '{_DETECTION}': expected an object or null.", param=_DETECTION)
        before = sound_in["turn_detection"] or {}
        kind = before.get("type", "server_vad") if change.get("type") is None else change["type"]
        default = _DETECTIONS[fields.one_of(kind, f"{_DETECTION}.type", _DETECTIONS)]
        is_same = before.get("type") == kind
        known = {k: v for k, v in change.items() if k in default and (v is not None or default[k] is None)}
        sound_in["turn_detection"] = {**(before if is_same else default), **known, "type": kind}
        if not is_same:
            self._silence_ms = None
        if kind == "server_vad" and "silence_duration_ms" in known:
            self._silence_ms = int(
                fields.number(known["silence_duration_ms"], f"{_DETECTION}.silence_duration_ms", 0, 10_000)
            )

    def config(self) -> SessionConfig:
        """What the session is to do. Raises ClientError for a value that cannot be."""
        shown, sound_in = self.shown, self.shown["audio"]["input"]
        transcription = sound_in["transcription"]
        heard = SessionConfig(
            show_transcript=transcription is not None or self.kind == "transcription",
            show_probs=LOGPROBS in (shown["include"] or ()),
            language=_language(transcription),
            turn_detection=self._detection(sound_in["turn_detection"]),
        )
        if self.kind == "transcription":
            return heard
        sound_out = shown["audio"]["output"]
        truncation, prompt_tokens = _truncation(shown["truncation"])
        return structs.replace(
            heard,
            instructions=fields.text(shown["instructions"], "session.instructions"),
            modality=fields.modality(shown["output_modalities"], "session.output_modalities"),
            voice=fields.voice(sound_out["voice"], f"{_OUTPUT}.voice"),
            speed=fields.number(sound_out["speed"], f"{_OUTPUT}.speed", LEAST_SPEED, MOST_SPEED),
            output_format=FORMATS[sound_out["format"]["type"]],
            max_output_tokens=fields.max_tokens(shown["max_output_tokens"], "session.max_output_tokens"),
            tools=self._tools,
            tool_choice=tooling.tool_choice(shown["tool_choice"], self._tools, "session.tool_choice"),
            parallel_tool_calls=fields.flag(shown["parallel_tool_calls"], "session.parallel_tool_calls"),
            truncation=truncation,
            prompt_tokens=prompt_tokens,
            model=shown["model"] if shown["model"] in self.choices.models else None,
        )

    def _detection(self, shown: dict[str, Any] | None) -> TurnDetection | None:
        if shown is None:
            return None
        answers = self.kind == "realtime"
        default = self._defaults.turn_detection or TurnDetection()
        turns = structs.replace(
            default,
            create_reply=fields.flag(shown["create_response"], f"{_DETECTION}.create_response") and answers,
            interrupt_reply=fields.flag(shown["interrupt_response"], f"{_DETECTION}.interrupt_response"),
        )
        if shown["type"] == "semantic_vad":
            patience, max_wait_ms = _EAGERNESS[fields.one_of(shown["eagerness"], f"{_DETECTION}.eagerness", _EAGERNESS)]
            return structs.replace(turns, patience=patience, max_wait_ms=max_wait_ms)
        # A silence that the client asked for is a rule. The default is not: there endpointing decides.
        silence_ms = default.silence_ms if self._silence_ms is None else self._silence_ms
        return structs.replace(
            turns,
            threshold=fields.number(shown["threshold"], f"{_DETECTION}.threshold", 0.0, 1.0),
            prefix_padding_ms=int(
                fields.number(shown["prefix_padding_ms"], f"{_DETECTION}.prefix_padding_ms", 0, 10_000)
            ),
            silence_ms=silence_ms,
            idle_timeout_ms=_idle_timeout(shown["idle_timeout_ms"]) if answers else None,
        )


def _texts(value: dict[str, Any], key: str) -> dict[str, Any]:
    """An object of which only texts are known: as it is. Raises ClientError for what is known to be something else."""
    for name, content in value.items():
        param = f"{_INPUT}.{key}.{name}"
        if name in ("languages", "keywords") and content is not None:
            fields.strings(content, param)
        elif name in ("type", "model", "prompt", "language"):
            fields.optional_text(content, param)
    return value


def _idle_timeout(value: object) -> int | None:
    if value is None:
        return None
    return int(fields.number(value, f"{_DETECTION}.idle_timeout_ms", LEAST_IDLE_MS, MOST_IDLE_MS))


def _language(transcription: Mapping[str, Any] | None) -> str | None:
    """The one language to expect; of several, none in particular."""
    if transcription is None:
        return None
    several = transcription.get("languages")
    if several is not None and len(fields.strings(several, f"{_INPUT}.transcription.languages")) == 1:
        return str(several[0]) or None
    return fields.optional_text(transcription.get("language"), f"{_INPUT}.transcription.language") or None


def _truncation(value: object) -> tuple[float | None, int | None]:
    """(share to keep of a conversation that outgrows the prompt, longest prompt in tokens)."""
    if isinstance(value, dict) and value.get("type") == "retention_ratio":
        path = "session.truncation"
        limits = fields.object_in(value, "token_limits", path)
        tokens = limits.get("post_instructions")
        most = None if tokens is None else int(fields.number(tokens, f"{path}.token_limits.post_instructions", 0, 1e6))
        return fields.number(value.get("retention_ratio"), f"{path}.retention_ratio", 0.0, 1.0), most
    kind = fields.one_of(value, "session.truncation", ("auto", "disabled"))
    return (None if kind == "disabled" else 1.0), None
