"""Turns a call's final mark, or the failure in its place, into an Outcome. Pure."""

from __future__ import annotations

import codecs
import errno
import os
import re
import signal
from collections.abc import Callable, Mapping

from funcsvc.engine import Mark, OutputReader
from funcsvc.model import MAX_OUTPUT_BYTES, SHORT_BYTES, Failure, Func, Outcome
from funcsvc.model.errors import (
    CallFailed,
    CommandNotRun,
    EndedFromOutside,
    ExitedBadly,
    Killed,
    NotStarted,
    OutOfMemory,
    OutputTooLarge,
    ResultLost,
)

LAST_WORDS = "Its standard error ends with:"

_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
"""A terminal's, such as for a colour. Source: ECMA-48, 5.4."""


def outcome_of(reader: OutputReader, func: Func) -> Outcome:
    """Return the outcome of a call whose final mark has been read."""
    failure = _failure_of(reader, func)
    if failure is not None:
        return failed(failure, reader)
    output = reader.stdout
    return Outcome(
        output=output, short_stdout=output[:SHORT_BYTES], short_stderr=reader.short_stderr
    )


def failed(error: CallFailed, reader: OutputReader | None = None) -> Outcome:
    """Return the outcome of a failed call, with the beginning of any output that was read."""
    last_words = _printable(reader.last_error_line) if reader else ""
    says_more = last_words and error.failure is Failure.FAILED
    return Outcome(
        failure=error.failure,
        message=f"{error.message} {LAST_WORDS} {last_words}" if says_more else error.message,
        short_stdout=reader.stdout[:SHORT_BYTES] if reader else b"",
        short_stderr=reader.short_stderr if reader else b"",
    )


def _printable(line: bytes) -> str:
    """Return what can be shown of a line, in at most SHORT_BYTES bytes of UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = _ESCAPE_SEQUENCE.sub("", decoder.decode(line))  # without a character cut at the end
    shown = "".join(map(_printable_character, text)).strip()
    return shown.encode()[:SHORT_BYTES].decode(errors="ignore")


def _printable_character(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"


def _failure_of(reader: OutputReader, func: Func) -> CallFailed | None:
    """Return why a call failed, or None if it succeeded and its output is complete."""
    assert reader.ending is not None
    if reader.is_too_large:
        return OutputTooLarge(MAX_OUTPUT_BYTES)
    failure = _FAILURE_OF_MARK[reader.ending.kind](reader.ending.number, func)
    if failure is None and reader.is_garbled:
        return ResultLost("it printed more than the engine keeps for a worker that takes it over")
    return failure


def _exited(status: int, func: Func) -> CallFailed | None:
    return ExitedBadly(status) if status else None


def _killed(number: int, func: Func) -> CallFailed:
    return Killed(_signal(number))


def _ended_from_outside(number: int, func: Func) -> CallFailed:
    return EndedFromOutside(f"got signal {_signal(number)}")


def _out_of_memory(status: int, func: Func) -> CallFailed:
    return OutOfMemory(func.size.name, status)


def _not_found(number: int, func: Func) -> CallFailed:
    return CommandNotRun(_command(func), "executable file not found in $PATH", 127)


def _not_executable(number: int, func: Func) -> CallFailed:
    exit_code = 127 if number == errno.ENOENT else 126
    return CommandNotRun(_command(func), os.strerror(number).lower(), exit_code)


def _starter_failed(number: int, func: Func) -> CallFailed:
    return NotStarted(f"its starter failed: {os.strerror(number).lower()}.")


def _signal(number: int) -> str:
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)


def _command(func: Func) -> str:
    return next(iter([*func.config.entrypoint, *func.config.cmd]), "")


_FAILURE_OF_MARK: Mapping[Mark, Callable[[int, Func], CallFailed | None]] = {
    Mark.EXITED: _exited,
    Mark.KILLED: _killed,
    Mark.OUT_OF_MEMORY: _out_of_memory,
    Mark.NOT_FOUND: _not_found,
    Mark.NOT_EXECUTABLE: _not_executable,
    Mark.STARTER_FAILED: _starter_failed,
    Mark.ENDED_FROM_OUTSIDE: _ended_from_outside,
}
