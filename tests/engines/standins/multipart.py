"""A form with a file (RFC 7578), read without a package."""

from __future__ import annotations

import re
from typing import Any


def form_of(content_type: str, body: bytes) -> dict[str, Any]:
    """Fields as text, ``file`` as bytes."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    form: dict[str, Any] = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, content = part[2:-2].partition(b"\r\n\r\n")
        found = re.search(rb'name="([^"]+)"', head)
        assert found is not None
        name = found[1].decode()
        form[name] = content if b"filename=" in head else content.decode()
    return form
