"""What a fault looks like in the log: where it was, never over which words."""

from __future__ import annotations

import io

import pytest

from duologue.cli.log import write_fault

WORDS = "something that a person said"


def fail() -> None:
    raise ValueError(f"cannot read {WORDS!r}")


def written(error: BaseException) -> str:
    lines = io.StringIO()
    write_fault(lines, (type(error), error, error.__traceback__))
    return lines.getvalue()


def test_the_place_and_the_kind_are_told_and_the_message_is_not() -> None:
    with pytest.raises(ValueError, match="cannot read") as raised:
        fail()
    told = written(raised.value)
    assert "in fail\n" in told
    assert told.endswith("builtins.ValueError\n")
    assert WORDS not in told


def test_what_it_came_from_is_told_too() -> None:
    with pytest.raises(RuntimeError) as raised:
        try:
            fail()
        except ValueError as error:
            raise RuntimeError(WORDS) from error
    told = written(raised.value)
    assert told.index("builtins.ValueError") < told.index("and from that:") < told.index("builtins.RuntimeError")
    assert WORDS not in told


def test_each_of_a_group_is_told() -> None:
    group = ExceptionGroup(WORDS, [KeyError(WORDS), OSError(28, "No space left on device", WORDS)])
    told = written(group)
    assert [line for line in told.splitlines() if "." in line] == [
        "builtins.ExceptionGroup",
        "builtins.KeyError",
        "builtins.OSError (No space left on device)",
    ]
    assert WORDS not in told


def test_one_that_came_from_itself_ends() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert written(first).count("and from that:") == 1


def test_no_fault_is_no_lines() -> None:
    lines = io.StringIO()
    write_fault(lines, (None, None, None))
    assert lines.getvalue() == ""
