"""The session object of the wire: what is shown, what an update changes, what it means to the session."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import structs

from duologue.errors import ClientError
from duologue.events import Modality, ReplyOptions, SessionConfig, TurnDetection, new_id
from duologue.protocols.openai_realtime.messages import WireItem, brief, to_item

LONGEST_SESSION_S = 60 * 60
PCM: dict[str, Any] = {"type": "audio/pcm", "rate": 24_000}
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
# eagerness -> (how much longer than usual to wait, the longest wait in ms, as OpenAI documents it)
_EAGERNESS = {"low": (1.6, 8_000), "medium": (1.0, 4_000), "high": (0.7, 2_000), "auto": (1.0, 4_000)}


class WireSession:
    """The effective session: defaults, and every update since."""

    def __init__(self, model: str, defaults: SessionConfig, now_s: int) -> None:
        self._defaults = defaults
        self._silence_ms: int | None = None
        self.shown: dict[str, Any] = {
            "id": new_id("sess"),
            "object": "realtime.session",
            "type": "realtime",
            "model": model,
            "expires_at": now_s + LONGEST_SESSION_S,
            "output_modalities": ["audio"],
            "instructions": defaults.instructions,
            "audio": {
                "input": {
                    "format": PCM,
                    "transcription": None,
                    "noise_reduction": None,
                    "turn_detection": dict(_SERVER_VAD),
                },
                "output": {"format": PCM, "voice": defaults.voice, "speed": defaults.speed},
            },
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "truncation": "auto",
            "tracing": None,
            "prompt": None,
            "include": None,
        }

    def update(self, change: Mapping[str, Any]) -> None:
        """Take over the fields that ``change`` has. All or nothing: raises ClientError and changes nothing."""
        kind = change.get("type", "realtime")
        if kind != "realtime":
            raise ClientError(
                f"Sessions of type {brief(kind)} are not supported; use 'realtime'.", param="session.type"
            )
        old, old_silence_ms = self.shown, self._silence_ms
        self.shown = copy.deepcopy(old)
        try:
            self._merge(change)
            self.config()
        except ClientError:
            self.shown, self._silence_ms = old, old_silence_ms
            raise

    def _merge(self, change: Mapping[str, Any]) -> None:
        for key in ("output_modalities", "instructions", "max_output_tokens"):
            if change.get(key) is not None:
                self.shown[key] = change[key]
        if change.get("tools") is not None and not isinstance(change["tools"], list):
            raise ClientError("Invalid type for 'session.tools': expected an array.", param="session.tools")
        for key in ("tools", "tool_choice", "truncation", "tracing", "prompt", "include"):
            if key in change:
                self.shown[key] = change[key]
        audio = _object(change, "audio", "session.audio")
        sound_in = _object(audio, "input", "session.audio.input")
        sound_out = _object(audio, "output", "session.audio.output")
        for key in ("transcription", "noise_reduction"):
            if key in sound_in:
                self.shown["audio"]["input"][key] = (
                    _object(sound_in, key, f"session.audio.input.{key}") or sound_in[key]
                )
        if "turn_detection" in sound_in:
            self._merge_detection(sound_in["turn_detection"])
        for side, sound in (("input", sound_in), ("output", sound_out)):
            if sound.get("format") is not None:
                self.shown["audio"][side]["format"] = _pcm(sound["format"], f"session.audio.{side}.format")
        for key in ("voice", "speed"):
            if sound_out.get(key) is not None:
                self.shown["audio"]["output"][key] = sound_out[key]

    def _merge_detection(self, change: object) -> None:
        """None turns it off; the same kind keeps earlier fields, another kind starts from its defaults."""
        sound_in = self.shown["audio"]["input"]
        if change is None:
            sound_in["turn_detection"] = None
            return
        if not isinstance(change, dict):
            raise ClientError("Invalid type: expected an object or null.", param="session.audio.input.turn_detection")
        before = sound_in["turn_detection"] or {}
        kind = change.get("type", before.get("type", "server_vad"))
        if not isinstance(kind, str) or kind not in _DETECTIONS:
            raise ClientError(
                f"Invalid value: {brief(kind)}. Supported values are: 'server_vad', 'semantic_vad'.",
                param="session.audio.input.turn_detection.type",
            )
        default = _DETECTIONS[kind]
        is_same = before.get("type") == kind
        known = {k: v for k, v in change.items() if k in default and (v is not None or default[k] is None)}
        sound_in["turn_detection"] = {**(before if is_same else default), **known, "type": kind}
        if not is_same:
            self._silence_ms = None
        if kind == "server_vad" and "silence_duration_ms" in known:
            self._silence_ms = _number(known, "silence_duration_ms", 0, 10_000, int)

    def config(self) -> SessionConfig:
        """What the session is to do. Raises ClientError for a value that cannot be."""
        shown = self.shown
        sound_in, sound_out = shown["audio"]["input"], shown["audio"]["output"]
        transcription = sound_in["transcription"]
        return SessionConfig(
            instructions=_text(shown["instructions"], "session.instructions"),
            modality=_modality(shown["output_modalities"], "session.output_modalities"),
            voice=_voice(sound_out["voice"], "session.audio.output.voice"),
            speed=_number(sound_out, "speed", 0.25, 1.5, float),
            max_output_tokens=_max_tokens(shown["max_output_tokens"], "session.max_output_tokens"),
            show_transcript=transcription is not None,
            language=_language(transcription, "session.audio.input.transcription"),
            turn_detection=self._detection(sound_in["turn_detection"]),
        )

    def _detection(self, shown: dict[str, Any] | None) -> TurnDetection | None:
        if shown is None:
            return None
        default = self._defaults.turn_detection or TurnDetection()
        turns = structs.replace(
            default,
            create_reply=_flag(shown, "create_response"),
            interrupt_reply=_flag(shown, "interrupt_response"),
        )
        if shown["type"] == "semantic_vad":
            eagerness = shown["eagerness"]
            if not isinstance(eagerness, str) or eagerness not in _EAGERNESS:
                raise ClientError(
                    f"Invalid value: {brief(eagerness)}. Supported values are: {', '.join(_EAGERNESS)}.",
                    param="session.audio.input.turn_detection.eagerness",
                )
            patience, max_wait_ms = _EAGERNESS[eagerness]
            return structs.replace(turns, patience=patience, max_wait_ms=max_wait_ms)
        if shown["idle_timeout_ms"] is not None:
            _number(shown, "idle_timeout_ms", 0, LONGEST_SESSION_S * 1000, int)
        # A silence that the client asked for is a rule. The default is not: there endpointing decides.
        silence_ms = default.silence_ms if self._silence_ms is None else self._silence_ms
        return structs.replace(
            turns,
            threshold=_number(shown, "threshold", 0.0, 1.0, float),
            prefix_padding_ms=_number(shown, "prefix_padding_ms", 0, 10_000, int),
            silence_ms=silence_ms,
        )


def reply_options(response: Mapping[str, Any]) -> ReplyOptions:
    """The ``response`` of a ``response.create``. Raises ClientError for a value that cannot be."""
    output = _object(_object(response, "audio", "response.audio"), "output", "response.audio.output")
    modalities, tokens = response.get("output_modalities"), response.get("max_output_tokens")
    return ReplyOptions(
        instructions=_optional_text(response.get("instructions"), "response.instructions"),
        modality=None if modalities is None else _modality(modalities, "response.output_modalities"),
        voice=None if output.get("voice") is None else _voice(output["voice"], "response.audio.output.voice"),
        max_output_tokens=None if tokens is None else _max_tokens(tokens, "response.max_output_tokens"),
        metadata=_metadata(response),
        items=_items(response.get("input")),
        in_conversation=response.get("conversation") != "none",
    )


def _metadata(response: Mapping[str, Any]) -> dict[str, str] | None:
    metadata = _object(response, "metadata", "response.metadata")
    if not all(isinstance(value, str) for value in metadata.values()):
        raise ClientError("Invalid type for 'response.metadata': its values are strings.", param="response.metadata")
    return metadata or None


def _items(wire: object) -> Any:
    if wire is None:
        return None
    try:
        items = msgspec.convert(wire, list[WireItem])
    except msgspec.ValidationError as error:
        raise ClientError(f"Invalid value for 'response.input': {error}.", param="response.input") from None
    return tuple(to_item(item, f"response.input[{i}]") for i, item in enumerate(items))


def _object(parent: Mapping[str, Any], key: str, param: str) -> dict[str, Any]:
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ClientError(f"Invalid type for '{param}': expected an object.", param=param)
    return value


def _text(value: object, param: str) -> str:
    if not isinstance(value, str):
        raise ClientError(f"Invalid type for '{param}': expected a string.", param=param)
    return value


def _optional_text(value: object, param: str) -> str | None:
    return None if value is None else _text(value, param)


def _voice(value: object, param: str) -> str:
    return _text(value.get("id") if isinstance(value, dict) else value, param)


def _language(transcription: object, param: str) -> str | None:
    if transcription is None:
        return None
    if not isinstance(transcription, dict):
        raise ClientError(f"Invalid type for '{param}': expected an object or null.", param=param)
    return _optional_text(transcription.get("language"), f"{param}.language")


def _modality(value: object, param: str) -> Modality:
    if value == ["audio"]:
        return "audio"
    if value == ["text"]:
        return "text"
    raise ClientError(f"Invalid value for '{param}'. Supported combinations are: ['audio'] and ['text'].", param=param)


def _max_tokens(value: object, param: str) -> int | None:
    if value == "inf":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 4_096:
        raise ClientError(f"Invalid value for '{param}': expected 1 to 4096, or 'inf'.", param=param)
    return value


def _number(parent: Mapping[str, Any], key: str, low: float, high: float, kind: type) -> Any:
    value = parent[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ClientError(f"Invalid value for '{key}': expected a number from {low} to {high}.", param=key)
    return kind(value)


def _flag(parent: Mapping[str, Any], key: str) -> bool:
    if not isinstance(parent[key], bool):
        raise ClientError(f"Invalid type for '{key}': expected true or false.", param=key)
    return bool(parent[key])


def _pcm(value: object, param: str) -> dict[str, Any]:
    kind = value.get("type") if isinstance(value, dict) else None
    rate = value.get("rate", PCM["rate"]) if isinstance(value, dict) else None
    if kind != PCM["type"] or rate != PCM["rate"]:
        raise ClientError(
            f"Invalid value for '{param}': this server speaks {{'type': 'audio/pcm', 'rate': 24000}}.", param=param
        )
    return dict(PCM)
