"""Pictures of the page in each of its states: ``python web/gallery/shoot.py OUT [STATE[/PANEL] ...]``.

Builds the gallery into OUT/site and serves it from there; needs Playwright and Chromium.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

GALLERY = Path(__file__).parent
SIZES = {"desktop": (1280, 800), "phone": (390, 844), "small": (320, 568), "landscape": (844, 390)}
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
# Long enough for one pose to have become the other.
SETTLE_MS = 900


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def states() -> list[str]:
    """The names in states.ts, and the panels."""
    source = (GALLERY / "states.ts").read_text()
    table = source[source.index("export const STATES") :]
    names = re.findall(r'^ {2}"?([\w-]+)"?: ', table, re.MULTILINE)
    panels = ["speaking/conversations", "speaking/timing", "idle/settings", "speaking/developer"]
    panels += ["shown/timing", "timed-in-part/timing", "idle/timing"]
    return [name for name in names if name != "long"] + panels


def shoot(browser: Browser, site: str, folder: Path, wanted: list[str], sizes: list[str], themes: list[str]) -> None:
    for size, theme in product(sizes, themes):
        width, height = SIZES[size]
        options = {"viewport": {"width": width, "height": height}, "color_scheme": theme}
        context = browser.new_context(**options)
        page = context.new_page()
        page.on("pageerror", lambda error: print("page error:", error))
        page.on("console", lambda said: said.type == "error" and print("console:", said.text))
        for name in wanted:
            state, _, panel = name.partition("/")
            page.goto(f"{site}/index.html?state={state}" + (f"&panel={panel}" if panel else ""))
            page.wait_for_timeout(SETTLE_MS)
            page.screenshot(path=folder / f"{size}-{theme}-{name.replace('/', '-')}.png")
            wide, high = page.evaluate(
                "(({ scrollWidth, scrollHeight }) => [scrollWidth - innerWidth, scrollHeight - innerHeight])"
                "(document.documentElement)"
            )
            if wide > 0 or high > 0:
                print(f"{size} {name}: {wide} px too wide, {high} px too high")
        context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("states", nargs="*", default=states())
    parser.add_argument("--sizes", nargs="+", default=["desktop", "phone"], choices=SIZES)
    parser.add_argument("--themes", nargs="+", default=["light", "dark"])
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    site = asked.out.resolve() / "site"
    build = ["npx", "vite", "build", "--config", "gallery/vite.config.ts", "--outDir", str(site), "--emptyOutDir"]
    subprocess.run(build, cwd=GALLERY.parent, check=True, stdout=subprocess.DEVNULL)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        address = f"http://127.0.0.1:{server.server_port}"
        shoot(browser, address, asked.out, asked.states or states(), asked.sizes, asked.themes)
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main()
