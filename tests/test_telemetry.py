"""The names of what a server tells of itself: well-formed, documented, and drawn only where they exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from duologue import telemetry
from duologue.telemetry import METRICS, Metric

ROOT = Path(__file__).parent.parent
REFERENCE = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
HOWTO = (ROOT / "docs" / "howto" / "watch-a-server.md").read_text(encoding="utf-8")
DASHBOARD = ROOT / "deploy" / "grafana" / "duologue.json"
NAMES = {metric.name for metric in METRICS}
# Of prometheus_client's own collector.
PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes"}


def documented() -> dict[str, str]:
    """The row of each metric, below the headings that have columns for it."""
    before_buckets = REFERENCE.split("## Buckets")[0]
    return {row.split("`")[1]: row for row in before_buckets.splitlines() if row.startswith("| `")}


def test_each_metric_has_one_row_in_the_reference_and_each_row_a_metric() -> None:
    assert documented().keys() == NAMES
    assert len(NAMES) == len(METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_row_tells_the_type_and_the_labels(metric: Metric) -> None:
    cells = [cell.strip() for cell in documented()[metric.name].split("|")[2:]]
    assert cells[0] == metric.kind
    for label in metric.labels:
        assert f"`{label}`" in documented()[metric.name]


def test_the_reference_lists_the_buckets() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d., ]+) \|$", REFERENCE.split("## Buckets")[1], re.MULTILINE)
    listed = {name: tuple(float(bound) for bound in bounds.split(",")) for name, bounds in rows}
    assert listed == {metric.name: metric.buckets for metric in METRICS if metric.kind == "histogram"}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_name_says_its_kind_and_its_unit(metric: Metric) -> None:
    assert re.fullmatch(r"duologue(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert bool(metric.buckets) == (metric.kind == "histogram")
    if metric.kind == "histogram":
        assert metric.name.endswith(("_seconds", "_size"))
        assert list(metric.buckets) == sorted(set(metric.buckets))
    assert metric.tells.endswith(".")


def test_the_howto_names_every_span_and_only_metrics_that_exist() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (?!what)", HOWTO, re.MULTILINE)
    assert rows == list(telemetry.SPANS)
    assert names_in(HOWTO) <= NAMES


def test_the_dashboard_has_its_rows_and_asks_only_for_metrics_that_exist() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = dashboard["panels"]
    assert [panel["title"] for panel in panels if panel["type"] == "row"] == [
        "Conversations",
        "Latency",
        "Engines",
        "Health",
    ]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert set().union(*map(names_in, queries)) <= NAMES | PROCESS
    assert all(query.count("(") == query.count(")") for query in queries)
    # Whatever there is to see is drawn somewhere.
    assert NAMES - set().union(*map(names_in, queries)) == set()


def test_the_dashboard_can_be_given_any_prometheus_and_its_panels_do_not_overlap() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert dashboard["templating"]["list"][0]["type"] == "datasource"
    panels = dashboard["panels"]
    sources = {panel["datasource"]["uid"] for panel in panels if panel["type"] != "row"}
    assert sources == {"${datasource}"}
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23


def names_in(text: str) -> set[str]:
    """Metrics that ``text`` names, without what a histogram's or a label's samples add."""
    found = re.findall(r"\b(?:duologue|process)_\w+", text)
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found if name not in {"duologue_key"}}
