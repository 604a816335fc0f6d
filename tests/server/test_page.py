"""The page's files on the wire: types, headers, compression."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from duologue.server.page import FOR_GOOD, HEADERS, Page, PageHeaders, takes_gzip

pytestmark = pytest.mark.anyio
SCRIPT = b"export const words = 'much the same again and again';\n" * 200


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>A page</title>")
    (tmp_path / "sw.js").write_bytes(SCRIPT)
    (tmp_path / "duologue.webmanifest").write_text('{"name": "Duologue"}')
    (tmp_path / "assets" / "index-abc.js").write_bytes(SCRIPT)
    (tmp_path / "assets" / "icon-abc.png").write_bytes(bytes(5_000))
    return tmp_path


@pytest.fixture
async def page(folder: Path) -> AsyncIterator[httpx2.AsyncClient]:
    app = Starlette(routes=[Mount("/", Page(folder))], middleware=[Middleware(PageHeaders)])
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://page") as client:
        yield client


async def test_text_is_compressed_for_those_who_take_it(page: httpx2.AsyncClient) -> None:
    packed = await page.get("/assets/index-abc.js", headers={"Accept-Encoding": "br, gzip;q=0.8"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(SCRIPT) // 20
    assert packed.content == SCRIPT
    plain = await page.get("/assets/index-abc.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == SCRIPT
    for found in (packed, plain):
        assert found.headers["vary"] == "Accept-Encoding"
        assert found.headers["cache-control"] == FOR_GOOD
        assert found.headers["content-type"] == "text/javascript; charset=utf-8"


async def test_what_is_small_or_packed_already_goes_as_it_is(page: httpx2.AsyncClient) -> None:
    for path in ("/", "/assets/icon-abc.png"):
        found = await page.get(path, headers={"Accept-Encoding": "gzip"})
        assert (found.status_code, "content-encoding" in found.headers) == (200, False)


async def test_a_file_that_is_known_is_not_sent_again(page: httpx2.AsyncClient) -> None:
    for accepts in ("gzip", "identity"):
        first = await page.get("/sw.js", headers={"Accept-Encoding": accepts})
        tag = first.headers["etag"]
        again = await page.get("/sw.js", headers={"Accept-Encoding": accepts, "If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")


async def test_a_file_that_has_changed_is_packed_anew(page: httpx2.AsyncClient, folder: Path) -> None:
    await page.get("/sw.js", headers={"Accept-Encoding": "gzip"})
    (folder / "sw.js").write_bytes(SCRIPT + b"// more")
    assert (await page.get("/sw.js", headers={"Accept-Encoding": "gzip"})).content == SCRIPT + b"// more"


async def test_a_range_is_of_the_file_itself(page: httpx2.AsyncClient) -> None:
    part = await page.get("/sw.js", headers={"Accept-Encoding": "gzip", "Range": "bytes=0-9"})
    assert (part.status_code, part.content) == (206, SCRIPT[:10])


async def test_what_an_installed_page_needs(page: httpx2.AsyncClient) -> None:
    manifest = await page.get("/duologue.webmanifest")
    assert manifest.headers["content-type"] == "application/manifest+json"
    worker = await page.get("/sw.js")
    assert worker.headers["content-type"].startswith("text/javascript")
    for found in (manifest, worker, await page.get("/"), await page.get("/absent")):
        assert found.headers["cache-control"] == "no-cache"
        assert HEADERS.items() <= {name.title(): value for name, value in found.headers.items()}.items()
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';")
    assert not {"manifest-src", "worker-src", "script-src"} & set(policy.replace(";", " ").split())


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("gzip", True),
        ("deflate, GZIP ;q=1.0", True),
        ("gzip;q=0", False),
        ("", False),
        ("br", False),
        ("gzipped", False),
    ],
)
def test_who_takes_gzip(accepted: str, takes: bool) -> None:
    assert takes_gzip(accepted) is takes
