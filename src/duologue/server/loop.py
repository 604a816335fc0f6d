"""The event loop that serves."""

from __future__ import annotations

import sys

# uvloop takes a frame of sound from its socket in two thirds of asyncio's time; Windows has none.
LOOP: dict[str, bool] = {"use_uvloop": sys.platform != "win32"}
"""What `anyio.run` is given as ``backend_options``."""
