"""The session object as it was before GA: flat, with names of its own. Only these two functions know it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duologue.protocols.openai_realtime import fields
from duologue.protocols.openai_realtime.settings import Kind

_FORMATS: dict[str, dict[str, Any]] = {
    "pcm16": {"type": "audio/pcm", "rate": 24_000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
_FORMAT_NAMES = {shape["type"]: name for name, shape in _FORMATS.items()}
_SAME = ("model", "instructions", "tools", "tool_choice", "tracing", "include")
# (here, there) of what only has another place.
_INPUT = (
    ("turn_detection", "turn_detection"),
    ("input_audio_transcription", "transcription"),
    ("input_audio_noise_reduction", "noise_reduction"),
)
_OUTPUT = (("voice", "voice"), ("speed", "speed"))
# GA has none; old clients read it.
TEMPERATURE = 0.8


def from_beta(flat: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """The GA session for the flat one. Raises ClientError for a format that is not one."""
    session: dict[str, Any] = {"type": kind, **{key: flat[key] for key in _SAME if key in flat}}
    sound_in = {there: flat[here] for here, there in _INPUT if here in flat}
    sound_out = {there: flat[here] for here, there in _OUTPUT if here in flat}
    for side, sound in (("input", sound_in), ("output", sound_out)):
        name = flat.get(f"{side}_audio_format")
        if name is not None:
            sound["format"] = _FORMATS[fields.one_of(name, f"{side}_audio_format", _FORMATS)]
    session["audio"] = {"input": sound_in} if kind == "transcription" else {"input": sound_in, "output": sound_out}
    if "max_response_output_tokens" in flat:
        session["max_output_tokens"] = flat["max_response_output_tokens"]
    if isinstance(flat.get("modalities"), list):
        # Before GA a session with sound had both; GA names the one that answers come in.
        session["output_modalities"] = ["audio"] if "audio" in flat["modalities"] else ["text"]
    return session


def to_beta(session: Mapping[str, Any]) -> dict[str, Any]:
    """The flat session for the effective GA one."""
    sound_in = session["audio"]["input"]
    flat: dict[str, Any] = {
        "id": session["id"],
        "object": session["object"],
        "expires_at": session["expires_at"],
        "input_audio_format": _FORMAT_NAMES[sound_in["format"]["type"]],
        **{here: sound_in[there] for here, there in _INPUT},
    }
    if session["type"] == "transcription":
        return flat
    sound_out = session["audio"]["output"]
    return flat | {
        **{key: session.get(key) for key in _SAME},
        **{here: sound_out[there] for here, there in _OUTPUT},
        "output_audio_format": _FORMAT_NAMES[sound_out["format"]["type"]],
        "modalities": ["audio", "text"] if session["output_modalities"] == ["audio"] else ["text"],
        "temperature": TEMPERATURE,
        "max_response_output_tokens": session["max_output_tokens"],
    }
