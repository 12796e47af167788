"""docs/limits.md, which is written by hand."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/limits.md"


def test_page_of_limits_has_each_of_them_once():
    table, _, _ = PAGE.read_text().partition("\n## ")
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    named = [row.split(" | ")[0] for row in rows]
    assert len(named) > 40
    assert [name for name in named if named.count(name) > 1] == []
