"""Signals to the starter: from inside its pid namespace they are the function's, else an end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from dev.machine.waiting import PATIENCE_SECONDS
from funcsvc.engine.containers.protocol import Ending, Mark
from tests.unit.starter_process import (
    IS_ROOT,
    Starter,
    child_of,
    ended_from_outside,
    exited,
    killed,
)

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="only root can make a pid namespace")

ENDS = ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2"]
FOR_EVER = "while :; do sleep 0.01; done"


def in_a_container(script, *, terminal=False, payload=b""):
    """Return a starter, first process of a pid namespace, whose script is ready."""
    starter = Starter(before=["unshare", "--pid", "--fork", "--kill-child"])
    starter.begin(["sh", "-c", script], payload, terminal=terminal)
    starter.read_until(lambda: b"ready" in starter.stdout)
    return starter


def send(starter, name):
    os.kill(starter.child, getattr(signal, f"SIG{name}"))


@pytest.mark.parametrize("terminal", [False, True], ids=["pipes", "terminal"])
@pytest.mark.parametrize("name", ENDS)
def test_signal_from_outside_is_no_end_of_the_function_that_handles_it(name, terminal):
    """Its exit code 0 would make a success of half an output."""
    script = f"trap 'echo got; exit 0' {name}; echo ready; {FOR_EVER}"
    with in_a_container(script, terminal=terminal) as starter:
        send(starter, name)
        ready = b"ready\r\n" if terminal else b"ready\n"
        assert starter.finish() == ended_from_outside(getattr(signal, f"SIG{name}"), ready)


@pytest.mark.parametrize("name", ENDS)
def test_signal_from_outside_is_not_what_kills_a_function_that_does_not_handle_it(name):
    with in_a_container("echo ready; exec sleep 60") as starter:
        send(starter, name)
        assert starter.finish() == ended_from_outside(getattr(signal, f"SIG{name}"), b"ready\n")


def test_whole_function_goes_with_a_starter_that_is_told_to_end():
    script = f"trap '' TERM; (trap '' TERM; {FOR_EVER}) & echo ready; {FOR_EVER}"
    with in_a_container(script) as starter:
        send(starter, "TERM")
        starter.read_until(lambda: False)  # the streams end with the last process
        assert starter.process.wait(PATIENCE_SECONDS) == 128 + signal.SIGTERM


def test_function_that_is_told_to_end_with_its_starter_has_not_ended_by_itself():
    """As when the supervisor of a host stops every process of a container."""
    with in_a_container(f"trap 'exit 0' TERM; echo ready; {FOR_EVER}") as starter:
        command = child_of(starter.child)
        send(starter, "STOP")
        os.kill(command, signal.SIGTERM)
        starter.wait_until(lambda: "\nState:\tZ" in Path(f"/proc/{command}/status").read_text())
        send(starter, "TERM")
        send(starter, "CONT")
        assert starter.finish() == ended_from_outside(signal.SIGTERM, b"ready\n")


@pytest.mark.parametrize("name", ["CONT", "WINCH", "ABRT", "ALRM"])
def test_signal_from_outside_that_ends_nothing_is_not_for_the_function(name, tmp_path):
    go_on = f"until [ -e {tmp_path}/go-on ]; do sleep 0.01; done"
    with in_a_container(f"trap 'echo got' {name}; echo ready; {go_on}") as starter:
        send(starter, name)
        pending = f"/proc/{starter.child}/status"
        starter.wait_until(lambda: "\nShdPnd:\t0000000000000000" in Path(pending).read_text())
        (tmp_path / "go-on").touch()
        assert starter.finish() == exited(0, b"ready\n")


@pytest.mark.parametrize("name", ENDS)
def test_signal_of_the_function_itself_to_the_first_process_is_passed_on(name):
    script = f"trap 'echo got; exit 3' {name}; echo ready; kill -{name} 1; {FOR_EVER}"
    with in_a_container(script) as starter:
        assert starter.finish() == exited(3, b"ready\ngot\n")


def test_function_that_kills_its_first_process_is_killed_by_its_own_signal():
    with in_a_container("echo ready; kill 1; exec sleep 60") as starter:
        assert starter.finish() == killed(signal.SIGTERM, b"ready\n")


def test_function_that_signals_its_children_ends_by_itself():
    script = "sleep 60 & echo ready; kill -TERM $!; wait $!; echo $?; exit 4"
    with in_a_container(script) as starter:
        outcome = starter.finish()  # some shells also report on standard error
        assert (outcome.ending, outcome.stdout) == (Ending(Mark.EXITED, 4), b"ready\n143\n")
