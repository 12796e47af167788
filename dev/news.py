"""What a command's programs have to say, from their logs, and all of it in one form."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

PATTERNS = (
    # gunicorn, and the worker
    re.compile(
        r"\[?\d{4}-\d\d-\d\d [\d:,]+(?: [+-]\d{4}\])? \[\d+\] \[(?P<level>\w+)\] (?P<text>.*)"
    ),
    # Redis
    re.compile(r"\d+:\w \d\d \w{3} \d{4} [\d:.]+ (?P<level>[.*#-]) (?P<text>.*)"),
    # dockerd, and its containerd
    re.compile(r'time="[^"]*" level=(?P<level>\w+) msg=(?P<text>.*)'),
)
LEVELS = {"WARN": "WARNING", "#": "WARNING", "FATAL": "CRITICAL", "PANIC": "CRITICAL"}
ERROR = frozenset({"ERROR", "CRITICAL"})
WARNING = ERROR | {"WARNING"}

PROBES = ("/healthz", "/readyz")
READ_BYTES = 1_000_000


def readable(line: str) -> tuple[str, str] | None:
    """Return level and text of the first line of an entry; None for any other line."""
    if line.startswith('{"time": '):
        return _access(line)
    for pattern in PATTERNS:
        if found := pattern.match(line):
            level = found["level"].upper()
            return LEVELS.get(level, level), found["text"]
    return None


def _access(line: str) -> tuple[str, str]:
    try:
        entry = json.loads(line)
        text = "{method} {path} → {status}, {bytes} bytes, {ms:.0f} ms".format(**entry)
        return "PROBE" if entry["path"] in PROBES else "ACCESS", text
    except (KeyError, ValueError):
        return "ACCESS", line


class Log:
    """The log of one program, as it grows, and as supervisord puts it aside and begins another."""

    def __init__(self, name: str, path: Path, shown: frozenset[str]) -> None:
        self.name = name
        self.path = path
        self.shown = shown
        self._shows_rest = False
        self._begin = path.stat().st_size if path.exists() else 0
        self._position = self._begin

    def has_said(self, words: str) -> bool:
        """Tell whether these words are in what the program wrote first."""
        return words.encode() in self._read(self._begin)

    def _read(self, position: int) -> bytes:
        if not self.path.exists():
            return b""
        with self.path.open("rb") as file:
            if file.seek(0, 2) < position:
                self._begin = self._position = position = 0
            file.seek(position)
            return file.read(READ_BYTES)

    def _read_lines(self) -> list[str]:
        """Return the whole lines that were written since the last time."""
        text = self._read(self._position)
        if len(text) < READ_BYTES:
            text = text[: text.rfind(b"\n") + 1]
        self._position += len(text)
        return text.decode(errors="replace").splitlines()

    def news(self) -> Iterator[str]:
        """Yield what is worth the terminal: what has a level that is shown, to its last line."""
        for line in self._read_lines():
            entry = readable(line)
            if entry:
                self._shows_rest = entry[0] in self.shown
            if self._shows_rest:
                yield self._line(*(entry or ("", line)))

    def _line(self, level: str, text: str) -> str:
        word = f"{level.lower()}: " if level in WARNING else ""
        return f"{time.strftime('%H:%M:%S')} {self.name:6} {word}{text}"
