"""Personas: those that come along, an operator's own, and files that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from duologue.errors import ConfigError
from duologue.server.personas import LONGEST_FILE_BYTES, MOST_PERSONAS, read_personas

PIRATE = '''
name = "Pirate"
description = "Arr."
instructions = """
Talk like a pirate.
"""
voice = "en-gb"
speed = 1.1
'''


def test_those_that_come_along() -> None:
    personas = read_personas()
    assert len(personas) == 6
    assert personas[0].id == "assistant"
    for persona in personas:
        assert persona.name
        assert persona.description.endswith((".", "?"))
        # A prompt of its own takes time before every answer: some 450 tokens at most.
        assert 400 < len(persona.instructions) < 1_800
        assert "\n\n\n" not in persona.instructions
        assert persona.voice is None


def test_a_folder_adds_and_overrides(tmp_path: Path) -> None:
    (tmp_path / "pirate.toml").write_text(PIRATE)
    (tmp_path / "tutor.toml").write_text(PIRATE.replace("Pirate", "Our tutor"))
    (tmp_path / "notes.txt").write_text("not one")
    personas = {persona.id: persona for persona in read_personas(tmp_path)}
    assert len(personas) == 7
    pirate = personas["pirate"]
    assert (pirate.name, pirate.instructions) == ("Pirate", "Talk like a pirate.")
    assert (pirate.voice, pirate.speed) == ("en-gb", 1.1)
    assert personas["tutor"].name == "Our tutor"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("name = ", "TOML"),
        ('name = "A"\ndescription = "B"', "instructions"),
        (PIRATE + "colour = 3", "colour"),
        (PIRATE.replace("1.1", "7.0"), "speed"),
        (PIRATE.replace('"Pirate"', "7"), "name"),
        (PIRATE.replace("Talk", "x" * LONGEST_FILE_BYTES), "64 KiB"),
        (b"name = '\xff'", "UTF-8"),
    ],
)
def test_a_broken_file_is_told_of_with_its_name(tmp_path: Path, written: str | bytes, reason: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(written if isinstance(written, bytes) else written.encode())
    with pytest.raises(ConfigError, match=reason) as failure:
        read_personas(tmp_path)
    assert str(path) in failure.value.message


def test_no_folder_and_too_many(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        read_personas(tmp_path / "absent")
    for i in range(MOST_PERSONAS):
        (tmp_path / f"p{i}.toml").write_text(PIRATE)
    with pytest.raises(ConfigError, match="the most"):
        read_personas(tmp_path)
