"""Personas: ready instructions, with a voice perhaps, that a person picks from. One TOML file each; its name is the id.

Some come along; the files of the operator's folder are added, and one of the same name takes the place of ours.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec

from duologue.errors import ConfigError
from duologue.protocols.openai_realtime.settings import LEAST_SPEED, MOST_SPEED

# A page shows them all at once, and the instructions go before every prompt.
MOST_PERSONAS = 100
LONGEST_FILE_BYTES = 64 * 1024


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    """A file."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    description: Annotated[str, msgspec.Meta(max_length=200)]
    instructions: Annotated[str, msgspec.Meta(min_length=1)]
    voice: str | None = None
    speed: Annotated[float, msgspec.Meta(ge=LEAST_SPEED, le=MOST_SPEED)] | None = None


class Persona(msgspec.Struct, frozen=True):
    """As it is offered. ``voice``, ``speed`` None: as they are."""

    id: str
    name: str
    description: str
    instructions: str
    voice: str | None = None
    speed: float | None = None


def read_personas(folder: Path | None = None) -> tuple[Persona, ...]:
    """Ours and those of ``folder``, by name; the plain assistant first.

    Raises ConfigError, with file and reason, for a folder that is none and for a file that is no persona.
    """
    files = _files(Path(str(resources.files("duologue.personas"))))
    if folder is not None:
        if not folder.is_dir():
            raise ConfigError(f"Setting 'personas': there is no folder {folder}.")
        files |= _files(folder)
    if len(files) > MOST_PERSONAS:
        raise ConfigError(f"Setting 'personas': {len(files)} personas, and {MOST_PERSONAS} are the most.")
    personas = [_read(path) for path in files.values()]
    return tuple(sorted(personas, key=lambda persona: (persona.id != "assistant", persona.name.casefold())))


def _files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def _read(path: Path) -> Persona:
    try:
        if path.stat().st_size > LONGEST_FILE_BYTES:
            raise ConfigError(f"{path}: a persona of more than {LONGEST_FILE_BYTES // 1024} KiB.")
        written = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _Written)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path} is no persona: {error}.") from None
    words = written.instructions.strip()
    return Persona(path.stem, written.name, written.description, words, written.voice, written.speed)
