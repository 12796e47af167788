"""The starter, the real program: what it makes of a call, from the command's start to its end."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import random
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from funcsvc.engine.protocol import Ending
from funcsvc.starter import starter_architecture, starter_binary
from tests.unit.starter_process import (
    MEBIBYTE,
    NOBODY,
    NONCE,
    STARTER,
    Outcome,
    Starter,
    call,
    call_shell,
    exited,
    killed,
)

IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can make this situation")

PR_SET_CHILD_SUBREAPER = 36
SOURCES = sorted(Path(STARTER).parent.glob("*.c"))


def as_nobody(**options):
    """A starter of an ordinary user, who need not be able to reach its folder."""
    file = os.open(STARTER, os.O_RDONLY)
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if IS_ROOT else {}
    try:
        return Starter(program=f"/proc/self/fd/{file}", pass_fds=[file], **user, **options)
    finally:
        os.close(file)


def not_run(kind, number, status):
    return Outcome(Ending(kind, number), status, b"", b"")


def make_program(path, text="#!/bin/sh\necho $0\n", mode=0o755):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


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
        assert (outcome.ending, outcome.status) == (Ending("X", 4), 4)


def test_marks_are_whole_on_full_streams_that_the_command_made_non_blocking():
    fill = (
        "import os\nos.set_blocking(1, False)\nn = 0\n"
        "try:\n while True: n += os.write(1, b'x' * 4096)\n"
        "except BlockingIOError: os.write(2, str(n).encode())"
    )
    with Starter() as starter:
        starter.begin([sys.executable, "-c", fill])
        starter.read_until(lambda: starter.raw[2])  # so that it is full
        outcome = starter.finish()
        assert outcome == exited(0, b"x" * int(outcome.stderr), outcome.stderr)


@needs_root
@pytest.mark.parametrize("file", ["memory/memory.oom_control", "memory.events"])
@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ("echo oom_kill 3 >$F; kill -9 $$", Outcome(Ending("O", 137), 137, b"", b"")),
        ("echo oom_kill 3 >$F; exit 5", Outcome(Ending("O", 5), 5, b"", b"")),
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
        os.kill(only_child(starter), signal.SIGCONT)
        assert starter.finish() == exited(0, b"ready\n" + b"x" * MEBIBYTE)


def test_input_of_the_starter_means_nothing_after_the_frame():
    with Starter() as starter:
        starter.begin(["sh", "-c", "echo ready; cat; exit 5"], b"payload")
        starter.send(b"more")
        starter.read_until(lambda: starter.stdout)
        starter.end_input()
        assert starter.finish() == exited(5, b"ready\npayload")


# ---- its environment ----


def variables(environment, own):
    outcome = call(["env", "-0"], environment=environment, env={"PATH": os.environ["PATH"], **own})
    return sorted(outcome.stdout.split(b"\0")[:-1])


@pytest.mark.parametrize(
    ("own", "given", "result"),
    [
        ({}, [], []),
        ({"A": "1"}, [], [b"A=1"]),
        ({}, [b"A=1"], [b"A=1"]),
        ({"A": "1", "B": "2"}, [b"A=3"], [b"A=3", b"B=2"]),
        ({"AB": "1"}, [b"A=2"], [b"A=2", b"AB=1"]),
        ({"A": "1"}, [b"AB=2"], [b"A=1", b"AB=2"]),
        ({"A": "1"}, [b"A="], [b"A="]),
        ({}, [b"A=1", b"A=2"], [b"A=2"]),
        ({}, [b"A=b=c\n\xff"], [b"A=b=c\n\xff"]),
    ],
)
def test_variables_of_the_frame_are_put_over_its_own(own, given, result):
    path = b"PATH=" + os.environb[b"PATH"]
    assert variables(given, own) == sorted([*result, path])


def test_thousands_of_variables_and_words_arrive():
    environment = [b"N%d=%d" % (number, number) for number in range(8000)]
    words = ["sh", "-c", "echo $# $N0 $N7999", "sh", *["word"] * 5000]
    assert call(words, environment=environment) == exited(0, b"5000 0 7999\n")


# ---- how it is found ----


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("good", "good/tool"),
        ("none:good", "good/tool"),
        ("folder:plain:good", "good/tool"),
        ("good:better", "good/tool"),
        (":good", "tool"),
        ("none::good", "tool"),
        ("none:", "tool"),
        (":", "tool"),
        ("x" * 5000 + ":good", "good/tool"),
        ("none", None),
        ("folder:plain", None),
        ("", None),
        (None, None),
    ],
)
def test_command_is_searched_in_the_path_of_the_frame(path, found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_program(tmp_path / "good" / "tool")
    make_program(tmp_path / "better" / "tool")
    make_program(tmp_path / "plain" / "tool", mode=0o644)
    make_program(tmp_path / "tool")
    (tmp_path / "folder" / "tool").mkdir(parents=True)
    environment = [] if path is None else [b"PATH=" + path.encode()]
    outcome = exited(0, f"{found}\n".encode()) if found else not_run("P", 0, 127)
    assert call(["tool"], environment=environment, env={}) == outcome


@pytest.mark.parametrize("word", ["", "no-such-command"])
def test_command_that_is_nowhere_is_told(word):
    assert call([word]) == not_run("P", 0, 127)


def test_program_of_another_user_is_passed_over(tmp_path):
    tmp_path.chmod(0o755)
    make_program(tmp_path / "private" / "tool", mode=0o700 if IS_ROOT else 0o600)
    make_program(tmp_path / "public" / "tool")
    with as_nobody(cwd=tmp_path) as starter:
        starter.begin(["tool"], environment=[b"PATH=private:public"])
        assert starter.finish() == exited(0, b"public/tool\n")


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("./none", errno.ENOENT),
        ("/no/such/command", errno.ENOENT),
        ("./folder", errno.EISDIR),
        ("./plain", errno.EACCES),
        ("./plain/tool", errno.ENOTDIR),
        ("./unknown", errno.ENOEXEC),
        ("./lost", errno.ENOENT),
        ("x/" * 5000, errno.ENAMETOOLONG),
    ],
)
def test_command_that_is_named_by_its_path_and_cannot_run_is_told(
    word, number, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    make_program(tmp_path / "plain", mode=0o644)
    make_program(tmp_path / "unknown", "no program\n")
    make_program(tmp_path / "lost", "#!/no/such/interpreter\n")
    status = 127 if number == errno.ENOENT else 126
    assert call([word]) == not_run("N", number, status)


def test_command_with_a_slash_is_relative_to_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_program(tmp_path / "folder" / "tool")
    assert call(["folder/tool"]) == exited(0, b"folder/tool\n")


def test_words_that_are_too_long_for_the_kernel_are_told():
    assert call(["echo", "x" * MEBIBYTE]) == not_run("N", errno.E2BIG, 126)


def test_failed_fork_is_told():
    def allow_no_other_process():
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))

    with as_nobody(preexec_fn=allow_no_other_process) as starter:
        starter.begin(["true"])
        assert starter.finish() == not_run("F", errno.EAGAIN, 125)


# ---- what it finds ----


def test_words_arrive_as_they_are():
    words = ["printf", "%s|", "", " a  b", "-n", "$HOME", "\n", "ä", "\udcff"]
    assert call(words) == exited(0, b"| a  b|-n|$HOME|\n|\xc3\xa4|\xff|")


def test_command_has_a_session_of_its_own_and_signals_as_every_program_expects():
    outcome = call_shell("cut -d' ' -f1,6 /proc/$$/stat; grep -E 'Sig(Blk|Ign)' /proc/$$/status")
    first, *rest = outcome.stdout.splitlines()
    pid, session = first.split()
    assert pid == session
    assert [int(line.split()[1], 16) for line in rest] == [0, 0]


@pytest.mark.parametrize("terminal", [False, True])
def test_command_has_three_open_files(terminal):
    script = "for n in 0 1 2 3 4 5 6 7 8 9 10; do test ! -e /proc/$$/fd/$n || echo $n; done"
    assert call_shell(script, terminal=terminal).stdout.split() == [b"0", b"1", b"2"]


def test_only_the_starter_can_read_its_frame():
    with as_nobody() as starter:
        starter.begin(["sh", "-c", "cat /proc/$$/environ >/dev/null && cat /proc/$PPID/environ"])
        outcome = starter.finish()
        assert outcome.ending == Ending("X", 1)
        assert b"Permission denied" in outcome.stderr


# ---- what the first process of a container owes ----


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


# ---- what it is made of ----


def test_its_architecture_has_the_name_that_docker_gives_it():
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    machine = platform.machine()
    assert starter_architecture() == names.get(machine, machine)


def test_binary_is_the_program():
    assert starter_binary() == Path(STARTER).read_bytes()


@needs_root
def test_it_needs_no_other_file(tmp_path):
    (tmp_path / "starter").write_bytes(starter_binary())
    (tmp_path / "starter").chmod(0o755)
    with Starter(program="/starter", preexec_fn=lambda: os.chroot(tmp_path)) as starter:
        starter.begin(["/starter"])
        assert starter.finish() == exited(125)


def test_it_compiles_without_a_warning(tmp_path):
    compiler = ["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static"]
    subprocess.run([*compiler, "-o", tmp_path / "starter", *SOURCES], check=True)


def idle(starter):
    """Return when it has slept through a tenth of a second of somebody else's work."""
    starter.wait_until(lambda: starter.proc_status("State") == "S")
    call_shell("sleep 0.1")


def only_child(starter):
    return int(Path(f"/proc/{starter.pid}/task/{starter.pid}/children").read_text())
