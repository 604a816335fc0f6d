"""What axe, an accessibility checker, finds on a page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
# Each finding in a line: the rule, what it wants, and the elements that break it.
RUN = """
async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((n) => n.html).join(" | ")}`);
}
"""


def expect_accessible(page: Page) -> None:
    """No rule of axe's is broken on the page as it is now, in either theme."""
    assert AXE.is_file(), "axe is not installed: run `python hatch_build.py check`, which fetches it"
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        if not page.evaluate("'axe' in window"):
            page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate(RUN)
        assert found == [], f"{theme}: " + "\n".join(found)
    page.emulate_media(color_scheme=None, reduced_motion=None)
