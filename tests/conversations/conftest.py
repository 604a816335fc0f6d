"""Every talk runs on the virtual clock."""

from __future__ import annotations

import pytest

from tests.virtual_time import VIRTUAL


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL
