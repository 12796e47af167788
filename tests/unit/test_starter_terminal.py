"""The starter's terminals: the payload is typed, and what the terminal shows is the output."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import termios
from array import array

import pytest

from funcsvc.engine.containers.protocol import Ending, Mark
from tests.unit.starter_process import NONCE, Starter, call, call_shell, exited, killed


def call_on_terminal(script, payload=b""):
    return call_shell(script, payload, terminal=True)


def test_all_streams_are_the_terminal():
    assert call_on_terminal("test -t 0 && test -t 1 && test -t 2 && tty </dev/tty").status == 0


def test_it_has_eighty_columns():
    assert call_on_terminal("stty size") == exited(0, b"24 80\r\n")


def test_errors_are_shown_on_it_too():
    with Starter() as starter:
        starter.begin(["sh", "-c", "echo out; echo err >&2; exit 3"], terminal=True)
        assert starter.finish() == exited(3, b"out\r\nerr\r\n")
        assert starter.raw[2] == f"{NONCE} X 00000003\n".encode()


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (b"", b""),
        (b"line\n", b"line\r\nline\r\n"),
        (b"line\r", b"line\r\nline\r\n"),
        (b"no end", b"no endno end"),
        (b"two\nlines", b"two\r\nlinestwo\r\nlines"),
        (b"sent off\x04", b"sent offsent off"),
        (b"\n", b"\r\n\r\n"),
    ],
)
def test_payload_is_typed_and_ends(payload, shown):
    outcome = call(["cat"], payload, terminal=True)
    assert outcome.ending == Ending(Mark.EXITED, 0)
    assert sorted(outcome.stdout) == sorted(shown), "echo and output may come in any order"


def test_interrupt_key_interrupts():
    assert call_on_terminal("exec cat", b"\x03").ending == Ending(Mark.KILLED, signal.SIGINT)


def test_hundred_kilobytes_go_both_ways():
    payload = (b"a" * 63 + b"\n") * 1600
    outcome = call(["tr", "a", "b"], payload, terminal=True)
    assert outcome.ending == Ending(Mark.EXITED, 0)
    assert outcome.stdout.count(b"b") == payload.count(b"a")


def test_payload_need_not_be_read():
    assert call_on_terminal("exit 6", (b"a" * 63 + b"\n") * 1600).ending == Ending(Mark.EXITED, 6)


def test_output_is_whole_that_is_read_after_the_end():
    with Starter() as starter:
        starter.begin(["sh", "-c", "seq 1800; echo end"], terminal=True)
        starter.wait_until(lambda: starter.proc_status("State") == "Z")
        shown = "".join(f"{number}\r\n" for number in range(1, 1801)) + "end\r\n"
        assert starter.finish() == exited(0, shown.encode())


def test_output_of_any_size_is_whole_for_a_slow_reader():
    shown = "".join(f"{number}\r\n" for number in range(1, 20001))
    with Starter() as starter:
        starter.begin(["seq", "20000"], terminal=True)
        starter.wait_until(lambda: unread_bytes(starter) > 30000)
        assert starter.finish() == exited(0, shown.encode())


def test_background_process_that_holds_the_terminal_is_not_waited_for():
    with Starter() as starter:
        starter.begin(["sh", "-c", "trap '' HUP; sleep 60 & echo $!; exit 4"], terminal=True)
        outcome = starter.finish()
        os.kill(int(outcome.stdout), signal.SIGKILL)
        assert (outcome.ending, outcome.status) == (Ending(Mark.EXITED, 4), 4)


def test_background_process_that_floods_the_terminal_is_not_waited_for():
    script = "trap '' HUP; yes & p=$!; sleep 0.05; echo $p >&9; exit 4"
    reading, writing = os.pipe()
    with Starter(preexec_fn=lambda: os.dup2(writing, 9), pass_fds=[9]) as starter:
        starter.begin(["sh", "-c", script], terminal=True)
        outcome = starter.finish()
        with contextlib.suppress(ProcessLookupError):  # it may have seen its terminal go
            os.kill(int(os.read(reading, 20)), signal.SIGKILL)
        assert (outcome.ending, outcome.status) == (Ending(Mark.EXITED, 4), 4)
    os.close(reading)
    os.close(writing)


def test_command_that_closes_the_terminal_goes_on():
    script = "echo first; t=$(tty); exec <&- >&- 2>&-; sleep 0.15; echo last >$t; exit 4"
    outcome = call_on_terminal(script, b"unread\n")
    # the terminal echoes the input whenever the starter types it
    assert sorted(outcome.stdout.splitlines()) == [b"first", b"last", b"unread"]
    assert outcome.ending == Ending(Mark.EXITED, 4)


def test_terminal_that_nobody_has_open_takes_no_work():
    with Starter() as starter:
        starter.begin(["sh", "-c", "echo first; exec sleep 60 <&- >&- 2>&-"], terminal=True)
        starter.read_until(lambda: starter.stdout)
        ticks = starter.cpu_ticks()
        call_shell("sleep 0.1")
        assert starter.cpu_ticks() <= ticks + 1
        starter.process.send_signal(signal.SIGTERM)
        assert starter.finish() == killed(signal.SIGTERM, b"first\r\n")


def unread_bytes(starter):
    """Return how many bytes wait in the pipe of the starter's standard output."""
    count = array("i", [0])
    fcntl.ioctl(starter.process.stdout, termios.FIONREAD, count)
    return count[0]
