"""Every talk runs on the virtual clock."""

from __future__ import annotations

import pytest

from duologue.session.replies import Ways
from tests.virtual_time import VIRTUAL


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


@pytest.fixture(params=[False, True], ids=["plain", "holding"])
def ways(request: pytest.FixtureRequest) -> Ways:
    """A plain client, and one whose sound can be held."""
    return Ways(holds_sound=request.param)
