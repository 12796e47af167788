"""The terminal of a command shows what is worth it, in one form; the logs have the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.news import ERROR, WARNING, Log, readable

ACCESS = (
    '{"time": "2026-03-01T10:00:00.000+00:00", "request_id": "0", "client": "127.0.0.1", '
    '"method": "GET", "path": "%s", "status": 200, "bytes": 19, "ms": 3.71}'
)


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (
            "[2026-03-01 10:00:00 +0000] [77] [WARNING] Redis can't be reached.",
            ("WARNING", "Redis can't be reached."),
        ),
        ("2026-03-01 10:00:00,211 [77] [INFO] it takes calls", ("INFO", "it takes calls")),
        ("77:M 01 Mar 2026 10:00:00.122 # Can't save", ("WARNING", "Can't save")),
        ("77:C 01 Mar 2026 10:00:00.122 * Ready", ("*", "Ready")),
        ('time="2026-03-01T10:00:00Z" level=error msg="no" a=b', ("ERROR", '"no" a=b')),
        ('time="2026-03-01T10:00:00Z" level=fatal msg="no"', ("CRITICAL", '"no"')),
        (ACCESS % "/funcs", ("ACCESS", "GET /funcs → 200, 19 bytes, 4 ms")),
        (ACCESS % "/readyz", ("PROBE", "GET /readyz → 200, 19 bytes, 4 ms")),
        ("  File x, line 1", None),
        ('{"time": 1', ("ACCESS", '{"time": 1')),
    ],
)
def test_line_of_any_program_is_read(line: str, entry: tuple[str, str] | None) -> None:
    assert readable(line) == entry


def news(log: Log) -> list[str]:
    return [line.partition(" ")[2] for line in log.news()]


def test_news_are_what_is_shown_with_the_lines_that_belong_to_it(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    path.write_text("2026-03-01 10:00:00,211 [77] [ERROR] of an earlier start\n")
    log = Log("web", path, WARNING)
    with path.open("a") as file:
        file.write("2026-03-01 10:00:00,211 [77] [INFO] hidden\nand this\n")
        file.write(f"{ACCESS % '/readyz'}\n")
        file.write("2026-03-01 10:00:00,211 [77] [ERROR] shown\nTraceback\nunfini")
    assert news(log) == ["web    error: shown", "web    Traceback"]
    with path.open("a") as file:
        file.write("shed\n77:M 01 Mar 2026 10:00:00.122 * hidden\n")
    assert news(log) == ["web    unfinished"]


def test_news_go_on_in_the_next_log_when_one_was_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "redis.log"
    log = Log("redis", path, ERROR | {"WARNING"})
    assert news(log) == []
    path.write_text("77:M 01 Mar 2026 10:00:00.122 # one of many words\n")
    assert news(log) == ["redis  warning: one of many words"]
    path.rename(tmp_path / "redis.log.1")
    path.write_text("77:M 01 Mar 2026 10:00:00.122 # two\n")
    assert news(log) == ["redis  warning: two"]


def test_what_a_program_has_said_is_looked_for_since_its_start(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    path.write_text("it takes calls\n")
    log = Log("worker", path, WARNING)
    assert not log.has_said("takes calls")
    with path.open("a") as file:
        file.write("it takes calls\n")
    assert list(log.news()) == []
    assert log.has_said("takes calls")
