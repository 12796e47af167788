"""Functions of every kind in real containers: their input, their output and how they end."""

from __future__ import annotations

import json
import random
import re

import pytest

from dev import images, servers
from tests.e2e.functions import (
    Functions,
    running,
)
from tests.e2e.plant import plant

MIB = 1024 * 1024


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for the test's function."""
    return re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")


@pytest.mark.parametrize(
    "payload",
    [b"", b"hello", b"\n", bytes(range(256)), random.Random(1).randbytes(MIB)],
    ids=["empty", "text", "newline", "all-bytes", "most"],
)
def test_payload_comes_back_byte_for_byte(run: Functions, name: str, payload: bytes) -> None:
    answer = run.run(name, ["cat"], payload=payload)
    assert (answer.status, answer.body) == (200, payload)


def test_asynchronous_call_is_answered_once(run: Functions, name: str) -> None:
    run.define(name, ["cat"])
    call_id = run.call(name, b"later")
    answer = run.output(name, call_id)
    assert (answer.status, answer.body) == (200, b"later")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    servers.wait_until(
        lambda: run.output(name, call_id, wait=False).status == 404, "it is removed", 5
    )
    assert run.counts(name) == {
        "Total": 1, "Pending": 0, "Running": 0, "Finished": 1, "Failed": 0,
    }  # fmt: skip


def test_function_sees_its_request_as_cgi_has_it(run: Functions, name: str) -> None:
    run.define(name, ["env"], Config={"Env": ["MINE=1", "REQUEST_METHOD=overridden"]})
    answer = run.sync(
        name,
        b"12345",
        method="PUT",
        query="?a=1&b=%20",
        headers={"X-Thing": "x y", "Proxy": "http://evil", "Authorization": "secret"},
    )
    lines = answer.body.decode().splitlines()
    expected = {
        "MINE=1", "REQUEST_METHOD=PUT", "QUERY_STRING=a=1&b=%20", "CONTENT_LENGTH=5",
        "HTTP_X_THING=x y", f"FUNC_NAME={name}", "PATH=/bin", "HOME=/",
    }  # fmt: skip
    assert expected <= set(lines)
    assert any(line.startswith("CALL_ID=") for line in lines)
    assert not re.search("evil|secret", answer.body.decode())


def test_image_needs_nothing_but_the_command(
    run: Functions, module_engine: servers.EngineServer, name: str
) -> None:
    images.import_image(module_engine.host, "bare:latest", images.busybox_tar())
    command = ["/bin/busybox", "echo", "alone"]
    answer = run.run(name, command, Config={"Image": "bare"})
    assert (answer.status, answer.body) == (200, b"alone\n")


@pytest.mark.parametrize(
    ("config", "body"),
    [
        ({"Cmd": ["echo", "found"]}, b"found\n"),
        ({"Cmd": ["/bin/echo", "whole path"]}, b"whole path\n"),
        ({"Cmd": ["bin/echo", "relative"]}, b"relative\n"),
        ({"Cmd": ["./echo", "dot"], "WorkingDir": "/bin"}, b"dot\n"),
        ({"Cmd": ["b"], "Entrypoint": ["echo", "a"]}, b"a b\n"),
        ({"Cmd": None, "Entrypoint": ["echo", "entrypoint alone"]}, b"entrypoint alone\n"),
        ({"Cmd": ["pwd"], "WorkingDir": "/made/up"}, b"/made/up\n"),
        ({"Cmd": ["echo", "own path"], "Env": ["PATH=/nowhere:/bin"]}, b"own path\n"),
    ],
    ids=lambda it: it["Cmd"][0].strip("/.") if isinstance(it, dict) and it["Cmd"] else "",
)
def test_command_is_found_as_the_engine_finds_it(
    run: Functions, name: str, config: dict[str, object], body: bytes
) -> None:
    answer = run.run(name, [], Config=config)
    assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["no-such"], 'exec: "no-such": executable file not found in $PATH (exit code 127).'),
        (["/no/such"], 'exec: "/no/such": no such file or directory (exit code 127).'),
        (["/etc/passwd"], 'exec: "/etc/passwd": permission denied (exit code 126).'),
        (["/bin"], 'exec: "/bin": is a directory (exit code 126).'),
    ],
    ids=["not-in-path", "no-such-file", "not-executable", "folder"],
)
def test_command_that_cannot_run_fails_with_a_known_sentence(
    run: Functions, name: str, command: list[str], message: str
) -> None:
    answer = run.run(name, command)
    assert (answer.status, answer.json) == (500, {"message": message})


def test_image_user_runs_the_command(
    run: Functions, module_engine: servers.EngineServer, name: str
) -> None:
    changes = ['CMD ["sh"]', "ENV PATH=/bin", "USER user", "WORKDIR /tmp"]
    images.import_image(module_engine.host, "user:latest", images.shell_tar(), changes)
    answer = run.run(
        name, "id -u; pwd; echo $HOME; touch mine && echo wrote", Config={"Image": "user"}
    )
    assert (answer.status, answer.body) == (200, b"1000\n/tmp\n/\nwrote\n")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 3", "The function ended with exit code 3."),
        ("kill -SEGV $$", "The function was killed by signal 11 (SIGSEGV)."),
        ("kill -KILL $$", "The function was killed by signal 9 (SIGKILL)."),
    ],
    ids=["exit", "segv", "kill"],
)
def test_failure_names_exit_code_or_signal(
    run: Functions, name: str, script: str, message: str
) -> None:
    answer = run.run(name, f"echo some output; {script}")
    assert (answer.status, answer.json) == (500, {"message": message})


@pytest.mark.parametrize(
    ("script", "config", "message"),
    [
        (
            "echo first >&2; cat /no/such",
            {},
            "The function ended with exit code 1. "
            "Its standard error ends with: cat: can't open '/no/such': No such file or directory",
        ),
        (
            "echo shown >&2; exit 3",
            {"Tty": True},
            "The function ended with exit code 3.",
        ),
        (
            "printf 'half a line' >&2; kill -SEGV $$",
            {},
            "The function was killed by signal 11 (SIGSEGV). "
            "Its standard error ends with: half a line",
        ),
    ],
    ids=["exit", "terminal", "killed"],
)
def test_failure_ends_with_the_last_line_of_standard_error(
    run: Functions, name: str, script: str, config: dict[str, object], message: str
) -> None:
    answer = run.run(name, script, Config=config)
    assert (answer.status, answer.json) == (500, {"message": message})
    events = run.web.request("GET", f"/logs/{name}/{run.keys[name]}?tail=1")
    assert json.loads(events.body)["Message"] == message


def test_failure_for_want_of_memory_is_told_apart(run: Functions, name: str) -> None:
    answer = run.run(name, ["tail", "/dev/zero"], ContainerSize="s1")
    assert answer.status == 500
    assert answer.json["message"].startswith(
        "The function was killed for want of memory: its ContainerSize is s1"
    )


def test_failure_for_want_of_memory_of_a_child_is_told_apart(run: Functions, name: str) -> None:
    answer = run.run(name, "tail /dev/zero; exit $?", ContainerSize="s1")
    assert answer.status == 500
    assert "want of memory" in answer.json["message"]


@pytest.mark.parametrize(
    "script",
    [
        "sleep 60",
        "trap '' TERM INT HUP; sleep 60",
        "sleep 60 & sleep 60 & wait",
        "exec <&- >&- 2>&-; sleep 60",
        "setsid sleep 60; sleep 60",
        "yes >/dev/null",
    ],
    ids=["sleeps", "ignores-signals", "forks", "closes-streams", "own-session", "spins"],
)
def test_function_past_its_timeout_is_504_within_two_seconds(
    run: Functions, name: str, script: str
) -> None:
    run.define(name, script, Timeout=1)

    def killed_in_time() -> servers.Answer | None:
        answer = run.output(name, run.call(name))
        return answer if answer.seconds < 1 + 2 + 1 else None  # and the time that the start took

    answer = servers.wait_until(killed_in_time, "a call ends within two seconds of its timeout")
    assert answer.status == 504
    assert answer.json == {
        "message": "The function ran past its Timeout of 1 seconds and was killed."
    }


def test_output_of_just_the_limit_is_kept(run: Functions, name: str) -> None:
    answer = run.run(name, f"head -c {MIB} /dev/zero")
    assert (answer.status, answer.body) == (200, bytes(MIB))
    assert answer.headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(
    "script", [f"head -c {MIB + 1} /dev/zero; sleep 60", "yes"], ids=["one-more", "endless"]
)
def test_output_over_the_limit_is_509_at_once(run: Functions, name: str, script: str) -> None:
    answer = run.run(name, script)
    assert answer.status == 509
    assert answer.json == {
        "message": "The function printed more than 1048576 bytes of output and was killed."
    }
    assert answer.seconds < servers.PATIENCE_SECONDS / 2


def test_standard_error_is_no_output_and_has_no_limit(run: Functions, name: str) -> None:
    answer = run.run(name, "head -c 5000000 /dev/zero >&2; echo fine")
    assert (answer.status, answer.body) == (200, b"fine\n")


def test_streams_closed_early_lose_nothing(run: Functions, name: str) -> None:
    answer = run.run(name, "echo before; exec >&- 2>&-; sleep 0.2; exit 0")
    assert (answer.status, answer.body) == (200, b"before\n")


def test_children_left_behind_hold_nothing_up(run: Functions, name: str) -> None:
    answer = run.run(name, "sleep 60 & echo done")
    assert (answer.status, answer.body) == (200, b"done\n")
    assert answer.seconds < servers.PATIENCE_SECONDS / 2


def test_orphans_are_reaped(run: Functions, name: str) -> None:
    script = (
        "for n in 1 2 3 4 5 6 7 8; do sh -c 'sleep 0.1 & exit'; done; sleep 0.5;"
        " grep -c '^State:.Z' /proc/[0-9]*/status | grep -c ':1$'"
    )
    answer = run.run(name, f"{script}; true")
    assert (answer.status, answer.body) == (200, b"0\n")


def test_tty_function_has_a_real_terminal(run: Functions, name: str) -> None:
    script = "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && tty && stty size && echo $TERM && cat"
    answer = run.run(name, script, payload=b"typed\n", Config={"Tty": True})
    assert answer.status == 200
    lines = answer.body.decode().split("\r\n")  # the terminal's echo can come at any point
    assert any(line.startswith("/dev/pts/") for line in lines)
    assert {"24 80", "xterm", "typed"} <= set(lines)


def test_calls_have_a_container_of_their_own_each(run: Functions, name: str) -> None:
    run.define(name, "hostname; ls /tmp; touch /tmp/seen")
    answers = [run.sync(name).body.split() for _ in range(4)]
    assert {len(words) for words in answers} == {1}
    assert len({words[0] for words in answers}) == 4


def test_container_is_limited_and_hardened(
    run: Functions, module_engine: servers.EngineServer, name: str
) -> None:
    run.define(
        name, "grep -E '^(CapBnd|NoNewPrivs)' /proc/self/status; sleep 2", ContainerSize="s2"
    )
    call_id = run.call(name)
    found = servers.wait_until(lambda: running(module_engine, name), "the function runs")
    with module_engine.client() as client:
        host = client.inspect_container(found.pop())["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == 128 * MIB
    assert (host["NanoCpus"], host["PidsLimit"]) == (10**9, 512)
    assert (host["LogConfig"]["Type"], host["NetworkMode"]) == ("local", "bridge")
    lines = run.output(name, call_id).body.decode().split()
    assert lines == ["CapBnd:", "00000000000004eb", "NoNewPrivs:", "1"]


def test_processes_have_a_bound(run: Functions, name: str) -> None:
    answer = run.run(name, "n=0; while [ $n -lt 600 ]; do sleep 30 & n=$((n+1)); done; echo all")
    assert b"all" not in answer.body or answer.status == 500


def test_volumes_of_another_container_are_mounted(
    run: Functions, module_engine: servers.EngineServer, name: str
) -> None:
    with module_engine.client() as client:
        host_config = client.create_host_config(binds=["kept:/data"])
        client.create_container(run.image, ["true"], name="holder", host_config=host_config)
    run.define(
        name, "echo line >>/data/file; wc -l </data/file", HostConfig={"VolumesFrom": ["holder"]}
    )
    assert [run.sync(name).body for _ in range(2)] == [b"1\n", b"2\n"]


def test_network_of_another_container_is_joined(
    run: Functions, module_engine: servers.EngineServer, name: str
) -> None:
    with module_engine.client() as client:
        script = "while true; do echo heard | nc -l -p 7000; done"
        client.create_container(run.image, ["sh", "-c", script], name="server")
        client.start("server")
    mode = {"NetworkMode": "container:server"}
    script = "until nc 127.0.0.1 7000 </dev/null; do sleep 0.1; done"
    answer = run.run(name, script, HostConfig=mode, Timeout=20)
    assert (answer.status, answer.body) == (200, b"heard\n")
    with module_engine.client() as client:
        client.remove_container("server", force=True)


def test_published_port_is_free_again_for_the_next_call(run: Functions, name: str) -> None:
    port = servers.free_port()
    bindings = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
    run.define(name, ["echo", "held"], HostConfig={"PortBindings": bindings})
    call_ids = [run.call(name) for _ in range(4)]
    answers = [run.output(name, call_id) for call_id in call_ids]
    assert [(it.status, it.body) for it in answers] == [(200, b"held\n")] * 4


def test_container_that_the_engine_refuses_fails_with_its_sentence(
    run: Functions, name: str
) -> None:
    answer = run.run(name, ["true"], HostConfig={"NetworkMode": "container:nobody"})
    assert answer.status == 500
    assert answer.json["message"].startswith("The function's container could not be started: ")
    assert "nobody" in answer.json["message"]


def test_image_that_is_gone_fails_and_says_so(
    run: Functions, module_engine: servers.EngineServer, name: str
) -> None:
    images.import_image(module_engine.host, "going:latest", images.shell_tar(), ['CMD ["true"]'])
    run.define(name, ["true"], Config={"Image": "going"})
    images.remove_image(module_engine.host, "going:latest")
    answer = run.sync(name)
    assert answer.status == 500
    assert "going" in answer.json["message"]
    assert "image" in answer.json["message"].lower()


def test_removal_conflicts_while_a_call_runs_and_leaves_nothing(
    run: Functions, module_redis: servers.RedisServer, name: str
) -> None:
    run.define(name, "cat; sleep 2")
    call_id = run.call(name, b"payload")
    assert run.web.request("DELETE", f"/funcs/{name}").status == 409
    assert run.output(name, call_id).status == 200
    run.call(name)
    servers.wait_until(lambda: run.counts(name)["Finished"] == 2, "the second has ended")
    assert run.web.request("DELETE", f"/funcs/{name}").status == 204
    with module_redis.client() as client:
        left = [key for key in client.scan_iter("*") if name.encode() in key]
        assert left == []
    run.define(name, ["echo", "new"])
    assert run.sync(name).body == b"new\n"


def test_operators_settings_reach_the_container() -> None:
    with plant(hardened="false", read_only_root="true", max_processes=64) as made:
        script = "touch /x; touch /tmp/x && echo wrote; grep CapBnd /proc/self/status"
        answer = made.functions.run("open", script)
        assert answer.status == 200
        assert answer.body.decode().split() == ["wrote", "CapBnd:", "00000000a80425fb"]
        made.check_nothing_is_left()
