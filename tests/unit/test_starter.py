"""The real starter program: a call from the start of its command to its end."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sys

import pytest

from dev.machine.waiting import PATIENCE_SECONDS
from funcsvc.engine.containers.protocol import Ending, Mark
from tests.unit.starter_process import (
    IS_ROOT,
    MEBIBYTE,
    NONCE,
    Outcome,
    Starter,
    as_nobody,
    call,
    call_shell,
    exited,
    killed,
)

needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can make this situation")

PR_SET_CHILD_SUBREAPER = 36


# ---- how a command ends ----


def test_output_stands_between_the_marks():
    with Starter() as starter:
        starter.begin(["sh", "-c", "echo out; echo err >&2"])
        starter.finish()
        begins, ends = f"{NONCE} B 00000000\n".encode(), f"{NONCE} X 00000000\n".encode()
        assert starter.raw == {1: begins + b"out\n" + ends, 2: b"err\n" + ends}


@pytest.mark.parametrize("status", [0, 1, 7, 125, 126, 127, 137, 255])
def test_exit_status_is_told_and_taken_over(status):
    assert call_shell(f"exit {status}") == exited(status)


@pytest.mark.parametrize("name", ["TERM", "KILL", "INT", "SEGV", "PIPE", "USR1", "ABRT"])
def test_signal_that_killed_is_told(name):
    number = getattr(signal, f"SIG{name}")
    assert call_shell(f"ulimit -c 0; echo x; kill -{name} $$; sleep 9") == killed(number, b"x\n")


@pytest.mark.parametrize("script", ["exec >&- 2>&-; exit 3", "exec <&- >&- 2>&-; exit 3"])
def test_command_that_closes_its_streams_early_still_ends_with_its_status(script):
    assert call_shell(f"echo all; {script}", b"payload") == exited(3, b"all\n")


def test_background_process_is_not_waited_for():
    with Starter() as starter:
        starter.begin(["sh", "-c", "sleep 60 & echo $!; exit 4"])
        outcome = starter.finish()
        os.kill(int(outcome.stdout), signal.SIGKILL)
        assert (outcome.ending, outcome.status) == (Ending(Mark.EXITED, 4), 4)


def test_marks_are_whole_on_full_streams_that_the_command_made_non_blocking():
    fill = (
        "import os\nos.set_blocking(1, False)\nn = 0\n"
        "try:\n while True: n += os.write(1, b'x' * 4096)\n"
        "except BlockingIOError: os.write(2, str(n).encode())"
    )
    with Starter() as starter:
        starter.begin([sys.executable, "-c", fill])
        starter.read_until(lambda: starter.raw[2])  # until the pipe is full
        outcome = starter.finish()
        assert outcome == exited(0, b"x" * int(outcome.stderr), outcome.stderr)


@needs_root
@pytest.mark.parametrize("file", ["memory/memory.oom_control", "memory.events"])
@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (
            "echo oom_kill 3 >$F; kill -9 $$",
            Outcome(Ending(Mark.OUT_OF_MEMORY, 137), 137, b"", b""),
        ),
        ("echo oom_kill 3 >$F; exit 5", Outcome(Ending(Mark.OUT_OF_MEMORY, 5), 5, b"", b"")),
        ("echo oom_kill 3 >$F; exit 0", exited(0)),
        ("kill -9 $$", killed(signal.SIGKILL)),
        ("rm $F; exit 5", exited(5)),
    ],
)
def test_want_of_memory_is_told_when_the_kernel_killed_and_the_command_failed(
    file, script, outcome, tmp_path
):
    (tmp_path / "memory").mkdir()
    (tmp_path / file).write_text("oom_kill_disable 0\noom 7\noom_kill 2\noom_group_kill 0\n")
    mount = 'mount --bind "$0" /sys/fs/cgroup && exec "$1"'
    before = ["unshare", "--mount", "sh", "-c", mount, str(tmp_path)]
    script = script.replace("$F", f"/sys/fs/cgroup/{file}")
    assert call_shell(script, before=before) == outcome


# ---- its payload ----


@pytest.mark.parametrize("size", [0, 1, 4096, 65536, 65537, MEBIBYTE])
def test_payload_arrives_byte_for_byte(size):
    payload = random.Random(size).randbytes(size)
    assert call(["cat"], payload) == exited(0, payload)


@pytest.mark.parametrize("script", ["exit 0", "exec <&-; exit 0", "read line; exit 0"])
def test_payload_need_not_be_read(script):
    assert call_shell(script, b"line\n" + bytes(MEBIBYTE)) == exited(0)


def test_payload_waits_for_a_slow_reader_without_work():
    with Starter() as starter:
        starter.begin(["sh", "-c", "echo ready; kill -STOP $$; cat"], b"x" * MEBIBYTE)
        starter.read_until(lambda: starter.stdout)
        ticks = starter.cpu_ticks()
        idle(starter)
        assert starter.cpu_ticks() <= ticks + 1
        os.kill(starter.child, signal.SIGCONT)
        assert starter.finish() == exited(0, b"ready\n" + b"x" * MEBIBYTE)


def test_input_of_the_starter_means_nothing_after_the_frame():
    with Starter() as starter:
        starter.begin(["sh", "-c", "echo ready; cat; exit 5"], b"payload")
        starter.send(b"more")
        starter.read_until(lambda: starter.stdout)
        starter.end_input()
        assert starter.finish() == exited(5, b"ready\npayload")


# ---- what the command inherits ----


def test_words_arrive_as_they_are():
    words = ["printf", "%s|", "", " a  b", "-n", "$HOME", "\n", "ä", "\udcff"]
    assert call(words) == exited(0, b"| a  b|-n|$HOME|\n|\xc3\xa4|\xff|")


def test_command_has_a_session_of_its_own():
    pid, *fields = call(["cat", "/proc/self/stat"]).stdout.split()
    assert fields[4] == pid


def test_command_finds_every_signal_unblocked_and_as_every_program_expects_it():
    def ignore_signals():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])

    with Starter(preexec_fn=ignore_signals) as starter:
        starter.begin(["cat", "/proc/self/status"])
        lines = dict(line.split(b":\t", 1) for line in starter.finish().stdout.splitlines())
    sets = [int(lines[name], 16) for name in (b"SigBlk", b"SigIgn")]
    # the C library lets no program set its own two, 32 and 33
    assert [signals & ~(0b11 << 31) for signals in sets] == [0, 0]


@pytest.mark.parametrize("terminal", [False, True])
def test_command_has_three_open_files(terminal):
    script = "for n in 0 1 2 3 4 5 6 7 8 9 10; do test ! -e /proc/$$/fd/$n || echo $n; done"
    assert call_shell(script, terminal=terminal).stdout.split() == [b"0", b"1", b"2"]


def test_only_the_starter_can_read_its_frame():
    with as_nobody() as starter:
        starter.begin(["sh", "-c", "cat /proc/$$/environ >/dev/null && cat /proc/$PPID/environ"])
        outcome = starter.finish()
        assert outcome.ending == Ending(Mark.EXITED, 1)
        assert b"Permission denied" in outcome.stderr


# ---- duties of a container's first process ----


def test_processes_that_others_left_behind_are_reaped():
    def inherit_orphans():
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)

    orphan = "p=$(sh -c 'true & echo $!'); while kill -0 $p 2>&-; do sleep 0.01; done; echo reaped"
    assert call_shell(orphan, preexec_fn=inherit_orphans) == exited(0, b"reaped\n")


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "CONT", "WINCH"])
def test_signal_is_passed_on_to_the_command(name):
    with Starter() as starter:
        script = f"trap 'echo got; exit 9' {name}; echo ready; while :; do sleep 0.01; done"
        starter.begin(["sh", "-c", script])
        starter.read_until(lambda: starter.stdout)
        starter.process.send_signal(getattr(signal, f"SIG{name}"))
        assert starter.finish() == exited(9, b"ready\ngot\n")


def test_signal_that_the_command_does_not_handle_ends_it():
    with Starter() as starter:
        starter.begin(["sh", "-c", "echo ready; exec sleep 60"])
        starter.read_until(lambda: starter.stdout)
        starter.process.send_signal(signal.SIGTERM)
        assert starter.finish() == killed(signal.SIGTERM, b"ready\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("start_of_frame", [b"", b"FSV1"])
def test_waiting_starter_ends_when_it_is_told_to(number, start_of_frame):
    with Starter() as starter:
        starter.send(start_of_frame)
        starter.wait_until_waiting()
        starter.process.send_signal(number)
        assert starter.finish() == Outcome(None, 128 + number, b"", b"")


def test_waiting_starter_holds_next_to_no_memory_and_does_no_work():
    with Starter() as starter:
        starter.wait_until_waiting()
        ticks = starter.cpu_ticks()
        idle(starter)
        assert starter.cpu_ticks() <= ticks + 1
        assert int(starter.proc_status("RssAnon")) < 200
        starter.begin(["echo", "late"])
        assert starter.finish() == exited(0, b"late\n")


def idle(starter):
    """Return when the starter has slept through a tenth of a second of another process's work."""
    starter.wait_until(lambda: starter.proc_status("State") == "S")
    call_shell("sleep 0.1")


def test_starter_stays_a_moment_after_the_end_until_it_is_let_go():
    with Starter() as starter:
        starter.begin(["true"])
        starter.read_until(lambda: starter.has_ended)
        assert starter.process.poll() is None
        starter.end_input()
        assert starter.process.wait(PATIENCE_SECONDS) == 0


def test_starter_that_nobody_lets_go_ends_by_itself():
    with Starter() as starter:
        starter.begin(["true"])
        starter.read_until(lambda: starter.has_ended)
        assert starter.process.wait(PATIENCE_SECONDS) == 0
