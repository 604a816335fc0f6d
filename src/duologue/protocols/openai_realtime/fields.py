"""Values of free-form JSON, checked: each function gives the value or raises ClientError, naming the field."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from duologue.errors import ClientError
from duologue.items import Modality, SoundFormat
from duologue.protocols.openai_realtime.messages import brief

PCM: dict[str, Any] = {"type": "audio/pcm", "rate": 24_000}
FORMATS: dict[str, SoundFormat] = {"audio/pcm": "pcm16", "audio/pcmu": "mulaw", "audio/pcma": "alaw"}


def object_in(parent: Mapping[str, Any], key: str, path: str) -> dict[str, Any]:
    """The object ``parent[key]``, {} where there is none. ``path``: of ``parent``."""
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ClientError(f"Invalid type for '{path}.{key}': expected an object.", param=f"{path}.{key}")
    return value


def text(value: object, param: str) -> str:
    if not isinstance(value, str):
        raise ClientError(f"Invalid type for '{param}': expected a string.", param=param)
    return value


def optional_text(value: object, param: str) -> str | None:
    return None if value is None else text(value, param)


def kept(value: object, param: str, kinds: tuple[type, ...]) -> object:
    """``value`` or None, of one of these types: clients read it back."""
    if value is not None and not isinstance(value, kinds):
        expected = " or ".join("a string" if kind is str else "an object" for kind in kinds)
        raise ClientError(f"Invalid type for '{param}': expected {expected} or null.", param=param)
    return value


def flag(value: object, param: str) -> bool:
    if not isinstance(value, bool):
        raise ClientError(f"Invalid type for '{param}': expected true or false.", param=param)
    return value


def number(value: object, param: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ClientError(f"Invalid value for '{param}': expected a number from {low:g} to {high:g}.", param=param)
    return value


def one_of(value: object, param: str, allowed: Collection[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        shown = ", ".join(f"'{each}'" for each in allowed)
        raise ClientError(f"Invalid value for '{param}': {brief(value)}. Supported values are: {shown}.", param=param)
    return value


def strings(value: object, param: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ClientError(f"Invalid type for '{param}': expected an array of strings.", param=param)
    return value


def voice(value: object, param: str) -> str:
    return text(value.get("id") if isinstance(value, dict) else value, param)


def modality(value: object, param: str) -> Modality:
    if value == ["audio"]:
        return "audio"
    if value == ["text"]:
        return "text"
    raise ClientError(f"Invalid value for '{param}'. Supported combinations are: ['audio'] and ['text'].", param=param)


def max_tokens(value: object, param: str) -> int | None:
    if value == "inf":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 4_096:
        raise ClientError(f"Invalid value for '{param}': expected 1 to 4096, or 'inf'.", param=param)
    return value


def sound_format(value: object, param: str) -> dict[str, Any]:
    """The format as it is shown."""
    kind = value.get("type") if isinstance(value, dict) else None
    rate = value.get("rate", PCM["rate"]) if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in FORMATS or (kind == PCM["type"] and rate != PCM["rate"]):
        raise ClientError(
            f"Invalid value for '{param}': this server speaks {{'type': 'audio/pcm', 'rate': 24000}}, "
            "{'type': 'audio/pcmu'} and {'type': 'audio/pcma'}.",
            param=param,
        )
    return dict(PCM) if kind == PCM["type"] else {"type": kind}


def metadata(parent: Mapping[str, Any], path: str) -> dict[str, str] | None:
    """At most 16 pairs of strings, as OpenAI has it."""
    given = object_in(parent, "metadata", path)
    if len(given) > 16 or not all(isinstance(value, str) for value in given.values()):
        raise ClientError(
            f"Invalid value for '{path}.metadata': expected at most 16 pairs of strings.", param=f"{path}.metadata"
        )
    return given or None
