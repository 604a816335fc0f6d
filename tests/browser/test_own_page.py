"""The npm package, as somebody else uses it: in a page of their own, from another origin, without a bundler."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hatch_build import PageError, find_node
from playwright.sync_api import BrowserContext, expect

from tests.browser.chromium import MARKS, PATIENCE_MS
from tests.served import serving

pytestmark = MARKS

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "web" / "client"

# A page that only listens to itself: resolves with the times of the first turn.
FIRST_TURN = """async ([base, asked]) => {
  const { Conversation, KeyRing, stagesOf } = await import("/node_modules/duologue-client/dist/index.js");
  const talk = new Conversation({ base, keys: new KeyRing(), asked });
  talk.start();
  const timing = await new Promise((resolve, reject) => talk.watch(() => {
    if (talk.state.trouble) reject(new Error(talk.state.trouble.kind));
    const [first] = talk.state.timings;
    if (first?.server && first.page) resolve(first);
  }));
  talk.end();
  return { ...timing, stages: stagesOf(timing) };
}"""
# The page's count of WebRTC's packets may be one off, and a moment of the audio clock is some ms wide.
UNSURE_MS = 40


class _Files(SimpleHTTPRequestHandler):
    """Files, and not a word about it."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def _serving_files(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Files, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``npm pack`` makes of the package, built beside the sources."""
    vite = ROOT / "web" / "node_modules" / "vite" / "bin" / "vite.js"
    try:
        node = find_node()
    except PageError as error:
        pytest.skip(str(error))
    if not vite.is_file():
        pytest.skip("web/node_modules is empty: `make test` fills it")
    folder = tmp_path_factory.mktemp("package")
    for name in ("package.json", "README.md", "LICENSE"):
        shutil.copy(CLIENT / name, folder)
    build = [str(node.node), str(vite), "build", "-c", "client/vite.config.ts", "--outDir", str(folder / "dist")]
    subprocess.run(build, cwd=ROOT / "web", check=True, capture_output=True)
    node.run_npm("pack", "--ignore-scripts", "--silent", cwd=folder)
    return next(folder.glob("duologue-client-*.tgz"))


@pytest.fixture(scope="module")
def own_page(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the example, with the package in its ``node_modules``."""
    site = tmp_path_factory.mktemp("site") / "own-page"
    shutil.copytree(ROOT / "examples" / "own-page", site, ignore=shutil.ignore_patterns("node_modules"))
    modules = site / "node_modules"
    with tarfile.open(tarball) as packed:
        packed.extractall(modules, filter="data")
    (modules / "package").rename(modules / "duologue-client")
    with _serving_files(site) as url:
        yield url


@pytest.fixture(scope="module")
def open_server(own_page: str) -> Iterator[str]:
    """It lets pages of that origin in."""
    with serving("embedded", "--max-sessions", "1", "--allowed-origin", own_page) as url:
        yield url


def test_the_package_holds_what_it_needs_and_nothing_else(tarball: Path) -> None:
    with tarfile.open(tarball) as packed:
        names = {name.removeprefix("package/") for name in packed.getnames()}
    scripts = {f"dist/{name}.js" for name in ("index", "sleep.worker")}
    worklets = {f"dist/{name}.worklet.js" for name in ("capture", "meter", "playback")}
    assert names == {"package.json", "README.md", "LICENSE"} | scripts | worklets


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_a_page_of_ones_own_is_talked_with(
    listening_browser: BrowserContext, own_page: str, open_server: str, transport: str
) -> None:
    page = listening_browser.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{own_page}/?server={open_server}/&transport={transport}")
    page.get_by_role("button", name="Talk").click()
    expect(page.locator("li.user").first).to_contain_text("hank", timeout=PATIENCE_MS)
    status = page.get_by_role("status")
    expect(status).to_have_text("speaking", timeout=PATIENCE_MS)
    expect(page.locator("li.assistant").first).not_to_be_empty(timeout=PATIENCE_MS)
    expect(status).to_have_text("listening", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Stop").click()
    expect(status).to_have_text("ended")
    assert not faults


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_the_pages_clock_and_the_servers_tell_of_the_same_wait(
    listening_browser: BrowserContext, own_page: str, open_server: str, transport: str
) -> None:
    page = listening_browser.new_page()
    page.goto(f"{own_page}/index.html")
    timing = page.evaluate(FIRST_TURN, [f"{open_server}/", transport])
    server, heard = timing["server"], timing["page"]
    assert abs(heard["endEarlierMs"]) < server["committedMs"]
    assert server["sentMs"] + heard["endEarlierMs"] <= heard["arrivedMs"] + UNSURE_MS
    assert heard["arrivedMs"] <= heard["audibleMs"]
    assert sum(stage["waitedMs"] for stage in timing["stages"]) == heard["audibleMs"]
