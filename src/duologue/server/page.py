"""The page's files: with the types that browsers insist on, compressed for those that take it, and with headers.

Only files go out compressed. Sound does not shrink, and an event that waits for a compressor comes late.
"""

from __future__ import annotations

import gzip
from http import HTTPStatus
from pathlib import Path

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A year, as long as caches keep anything.
FOR_GOOD = "public, max-age=31536000, immutable"
HEADERS = {
    # What is not named here, the manifest and the service worker among it, comes from the page's own host. In another
    # page's frame, unseen, it could be made to delete what is kept.
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'; object-src 'none'",
    "Permissions-Policy": "microphone=(self)",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
# Some systems' own tables lack the second, or have text/plain for the first: then no browser runs it.
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}
# A packet of the network; below it nothing is gained.
_LEAST_BYTES = 1_200


class PageHeaders:
    """Headers for the page: nothing from a foreign host, the microphone for itself alone, assets kept for good.

    The names of built assets carry a hash of their contents; ``index.html`` names them and must be asked for anew.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                is_asset = scope["path"].startswith("/assets/") and message["status"] == HTTPStatus.OK
                headers.setdefault("Cache-Control", FOR_GOOD if is_asset else "no-cache")
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class Page(StaticFiles):
    """The files of ``folder``. Text is compressed once, when it is first asked for, and kept in memory."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True)
        self._packed: dict[str, tuple[str, bytes]] = {}

    async def get_response(self, path: str, scope: Scope) -> Response:
        """As StaticFiles has it."""
        response = await super().get_response(path, scope)
        if not isinstance(response, FileResponse) or (kind := TYPES.get(Path(response.path).suffix)) is None:
            return response
        response.headers["Content-Type"] = kind
        response.headers.add_vary_header("Accept-Encoding")
        asked = Headers(scope=scope)
        is_wanted = takes_gzip(asked.get("accept-encoding", "")) and "range" not in asked and scope["method"] == "GET"
        if response.status_code != HTTPStatus.OK or not is_wanted:
            return response
        if int(response.headers["content-length"]) < _LEAST_BYTES:
            return response
        return _as_packed(response, await self._pack(str(response.path), response.headers["etag"]))

    async def _pack(self, path: str, etag: str) -> bytes:
        """The file, compressed; anew where it has changed."""
        known, packed = self._packed.get(path, ("", b""))
        if known != etag:
            packed = await to_thread.run_sync(lambda: gzip.compress(Path(path).read_bytes(), mtime=0))
            self._packed[path] = (etag, packed)
        return packed


def takes_gzip(accepted: str) -> bool:
    """Whether this ``Accept-Encoding`` has gzip (RFC 9110, 12.5.3), other than with the weight 0."""
    for each in accepted.lower().split(","):
        name, _, weight = each.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _as_packed(plain: FileResponse, packed: bytes) -> Response:
    headers = {name: value for name, value in plain.headers.items() if name not in {"content-length", "accept-ranges"}}
    # Weak: the same file in other bytes. Comparing for If-None-Match ignores the mark.
    headers |= {"content-encoding": "gzip", "etag": f"W/{plain.headers['etag']}"}
    return Response(packed, headers=headers)
