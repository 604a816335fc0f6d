"""Which web pages may connect.

A browser sends along where a page came from; any page that its user visits could otherwise talk through this
server with the user's microphone. Programs send no ``Origin`` and are let in. (CORS does not guard WebSockets.)
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit


def is_allowed_origin(origin: str | None, host: str | None, allowed: Collection[str]) -> bool:
    """``origin``, ``host``: the request's headers; ``allowed``: origins let in besides the server's own page."""
    if origin is None or origin in allowed:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host) and parts.netloc == host
