"""A model hub on this machine, that answers as far as ``duologue pull`` asks.

Two servers, as in life: the hub knows what a repository consists of and sends small files itself; for large ones it
sends the client to a store of blobs on another origin, which knows nothing of tokens.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# The real hub's border lies higher; what counts here is that both kinds exist.
LARGE_BYTES = 1000


@dataclass
class Repository:
    """``files`` by path. ``lies``: sizes to state instead of the true ones. ``gated``: wants the token ``hf_good``."""

    files: dict[str, bytes]
    commit: str = "c" * 40
    licence: str = "apache-2.0"
    gated: bool = False
    lies: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """One request: which server it came to, its path, its range and its token, empty where there was none."""

    server: str
    path: str
    range: str
    token: str


@dataclass
class StandInHub:
    """What it holds and what it was asked.

    ``breaks``: after so many bytes of a blob the line is cut, once each. ``flows``: while it is not set, a blob stops
    half-way and waits.
    """

    url: str = ""
    store_url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
    ignores_ranges: bool = False
    flows: threading.Event = field(default_factory=threading.Event)
    half_way: threading.Event = field(default_factory=threading.Event)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def downloads(self) -> list[str]:
        """Which blobs were asked for, in order, with the range."""
        return [f"{asked.path.strip('/')[:8]} {asked.range}".strip() for asked in self.asked if asked.server == "store"]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def stand_in_hub() -> Iterator[StandInHub]:
    """Serve an empty hub until the block ends."""
    hub = StandInHub()
    hub.flows.set()
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub, kind)) for kind in ("hub", "store")]
    hub.url, hub.store_url = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    threads = [threading.Thread(target=server.serve_forever, args=(0.02,)) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        hub.flows.set()
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


def _handler(hub: StandInHub, kind: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            hub.asked.append(Asked(kind, self.path, self.headers.get("Range", ""), token))
            if kind == "store":
                _send_blob(self, hub)
            else:
                _answer(self, hub, token)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _answer(request: BaseHTTPRequestHandler, hub: StandInHub, token: str) -> None:
    if (said := re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision/([^?]+)|auth-check).*", request.path)) is not None:
        repository = hub.repositories.get(said[1])
        if repository is None:
            _refuse(request, 401, "RepoNotFound")
        elif said[2] == "auth-check":
            _send(request, 200, b"") if _may(repository, token) else _refuse(request, 403, "GatedRepo")
        elif said[3] not in {"main", repository.commit}:
            _refuse(request, 404, "RevisionNotFound")
        else:
            _send(request, 200, json.dumps(_info(said[1], repository)).encode())
        return
    said = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([0-9a-f]{40})/(.+)", request.path)
    repository = hub.repositories[said[1]] if said is not None else None
    if said is None or repository is None or said[3] not in repository.files:
        _refuse(request, 404, "EntryNotFound")
    elif not _may(repository, token):
        _refuse(request, 403 if token else 401, "GatedRepo")
    elif len(content := repository.files[said[3]]) < LARGE_BYTES:
        _send(request, 200, content)
    else:
        hub.blobs[sha256(content)] = content
        _send(request, 302, b"", Location=f"{hub.store_url}/{sha256(content)}")


def _may(repository: Repository, token: str) -> bool:
    return not repository.gated or token == "hf_good"


def _info(name: str, repository: Repository) -> dict[str, object]:
    siblings = []
    for path, content in repository.files.items():
        size = repository.lies.get(path, len(content))
        entry = {"rfilename": path, "size": size, "blobId": git_hash(content)}
        if len(content) >= LARGE_BYTES:
            entry["lfs"] = {"sha256": sha256(content), "size": size, "pointerSize": 134}
        siblings.append(entry)
    return {
        "id": name,
        "sha": repository.commit,
        "gated": "manual" if repository.gated else False,
        "cardData": {"license": repository.licence},
        "tags": [f"license:{repository.licence}"],
        "siblings": siblings,
    }


def _send_blob(request: BaseHTTPRequestHandler, hub: StandInHub) -> None:
    content = hub.blobs[request.path.strip("/")]
    ranged = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    start = int(ranged[1]) if ranged and not hub.ignores_ranges else 0
    request.send_response(206 if start else 200)
    request.send_header("Content-Length", str(len(content) - start))
    if start:
        request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    request.end_headers()
    end = hub.breaks.pop(0) if hub.breaks else len(content)
    if not hub.flows.is_set():
        middle = (start + end) // 2
        request.wfile.write(content[start:middle])
        start = middle
        hub.half_way.set()
        hub.flows.wait()
    request.wfile.write(content[start:end])
    request.close_connection = True


def _refuse(request: BaseHTTPRequestHandler, status: int, code: str) -> None:
    _send(request, status, b"", **{"X-Error-Code": code})


def _send(request: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    request.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(body))}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)
