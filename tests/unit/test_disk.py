"""What containers write to the engine's disk: when it is looked at, and the engine's own bound."""

from __future__ import annotations

import contextlib
import http.server
import json
import queue
import threading

import docker
import pytest

from dev.machine.waiting import PATIENCE_SECONDS
from funcsvc.engine import FilesUncounted
from funcsvc.engine.connection import Deadline, EngineConnection
from funcsvc.engine.containers.disk import DiskMeter, LayerQuota
from funcsvc.model import Failure
from funcsvc.model.errors import EngineUnavailable
from funcsvc.worker.disk import DiskLimits, DiskWatch
from tests.unit.call_stage import LIVES, MAX_DISK_BYTES, Stage
from tests.unit.clock import Clock

LIMIT = 1000
XFS = {"Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "xfs"]]}


class Engine:
    """An engine that takes some time to say how much each container has written."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.seconds = 0.0
        self.written: int | Exception = 0
        self.error: Exception | None = None
        self.looks: list[tuple[str, float]] = []
        self.watch = DiskWatch(self, DiskLimits(max_bytes=LIMIT), self.clock)

    def get_state(self, name: str) -> None:
        if self.error:
            raise self.error

    def get_disk_bytes(self, name: str, seconds: float) -> int:
        self.looks.append((name, self.clock.now - 1000))
        self.clock.sleep(self.seconds)
        if isinstance(self.written, Exception):
            raise self.written
        return self.written

    def look_for(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.sleep(1)
            self.watch.look()


@pytest.fixture
def engine() -> Engine:
    return Engine()


def test_short_call_costs_no_look(engine):
    with engine.watch.watching("c"):
        engine.look_for(1)
    engine.look_for(10)
    assert engine.looks == []


def test_container_is_looked_at_after_two_seconds_and_then_every_five(engine):
    with engine.watch.watching("c"):
        engine.look_for(13)
    assert engine.looks == [("c", 2), ("c", 7), ("c", 12)]


def test_look_that_takes_long_is_taken_seldom(engine):
    engine.seconds = 1
    with engine.watch.watching("c"):
        engine.look_for(60)
    assert engine.looks == [("c", 2), ("c", 23), ("c", 44)]


def test_containers_are_looked_at_one_after_another(engine):
    engine.seconds = 0.5
    with engine.watch.watching("a"), engine.watch.watching("b"):
        engine.look_for(3)
    assert sorted(engine.looks, key=lambda it: it[1]) == engine.looks
    assert sorted(engine.looks) == [("a", pytest.approx(2, abs=1)), ("b", pytest.approx(2, abs=1))]


@pytest.mark.parametrize(("written", "ends"), [(LIMIT, False), (LIMIT + 1, True)])
def test_call_must_end_once_it_has_written_more_than_the_limit(engine, written, ends):
    engine.written = written
    with engine.watch.watching("c") as watched:
        engine.look_for(2)
        assert (watched.failure is not None) == ends


def test_what_cannot_be_seen_ends_nothing_and_is_logged_once(engine, caplog):
    engine.written = EngineUnavailable("it did not answer in time")
    with engine.watch.watching("c") as watched:
        engine.look_for(10)
        assert watched.failure is None
        assert [it.message for it in caplog.records] == [
            "what container c writes can't be seen: "
            "The Docker Engine can't be used: it did not answer in time."
        ]
        engine.written = LIMIT + 1
        engine.look_for(5)
        assert watched.failure is not None


@pytest.mark.parametrize("way", ["run", "take_over"])
def test_call_that_fills_the_engines_disk_is_killed_and_told_so(way):
    stage = Stage()
    stage.written = [MAX_DISK_BYTES + 1]
    stage.instances = stage.replays = [["B", b"a part", 5.0, stage.disk.look, 1e6]]
    stage.states = [LIVES]
    outcome = getattr(stage, way)()
    assert (outcome.failure, outcome.short_stdout) == (Failure.FAILED, b"a part")
    assert outcome.message == (
        "The function's files on its container's disk are 1001 bytes long, more than the 1000 "
        "bytes that are allowed, and it was killed."
    )
    assert len(stage.killed) == 1


def uncounted(engine: Engine) -> None:
    """Let looks take as long as they may, and find nothing."""
    engine.seconds, engine.written = 5, FilesUncounted()


def test_call_with_more_files_than_can_be_counted_is_ended_by_its_second_look(engine):
    uncounted(engine)
    with engine.watch.watching("c") as watched:
        engine.look_for(3)
        assert (watched.failure, len(engine.looks)) == (None, 1)
        engine.look_for(5)
        assert watched.failure is not None
        assert watched.failure.message == (
            "The function wrote more files to its container's disk than can be counted in 5 "
            "seconds, and was killed."
        )
    assert [at for _, at in engine.looks] == [2, 12]


def test_files_that_are_counted_in_between_end_no_call(engine):
    with engine.watch.watching("c") as watched:
        for written in (FilesUncounted(), 0, FilesUncounted(), EngineUnavailable("it is a fake")):
            engine.written, looks = written, len(engine.looks)
            while len(engine.looks) == looks:
                engine.look_for(1)
        engine.written = FilesUncounted()
        engine.look_for(5)
        assert watched.failure is None


def test_engine_that_does_not_answer_otherwise_either_ends_no_call(engine):
    uncounted(engine)
    engine.error = EngineUnavailable("it is a fake")
    with engine.watch.watching("c") as watched:
        engine.look_for(600)
        assert watched.failure is None
    assert 2 < len(engine.looks) < 10


def test_looks_that_take_long_delay_those_at_other_containers_by_no_more_than_themselves():
    release, looking = threading.Event(), queue.SimpleQueue[str]()

    class SlowEngine:
        def get_disk_bytes(self, name: str, seconds: float) -> int:
            looking.put(name)
            assert name == "quick" or release.wait(PATIENCE_SECONDS)
            return 0

    limits = DiskLimits(max_bytes=LIMIT, first_seconds=0, again_seconds=1e6, tick_seconds=0.01)
    watch = DiskWatch(SlowEngine(), limits)
    names = ["slow-1", "slow-2", "slow-3", "quick"]
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(watch.watching(name))
        watch.start()
        assert sorted(looking.get(timeout=PATIENCE_SECONDS) for _ in names) == sorted(names)
        release.set()
    assert looking.empty()


class SlowCounting(http.server.BaseHTTPRequestHandler):
    """An engine that answers at once, except when it has to count files."""

    counted = threading.Event()

    def do_GET(self) -> None:
        if "size=1" in self.path:
            self.counted.wait(PATIENCE_SECONDS)
        body = json.dumps({"ApiVersion": "1.41", "State": {"Running": True}}).encode()
        with contextlib.suppress(OSError):  # the client has given up
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_look_has_a_deadline_of_its_own_and_says_that_it_was_the_counting():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowCounting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connection = EngineConnection(f"tcp://127.0.0.1:{server.server_port}")
        with connection.client(Deadline(PATIENCE_SECONDS)) as client:
            client.deadline = Deadline(0.1)
            with pytest.raises(FilesUncounted):
                DiskMeter().measure(client, "c")
        SlowCounting.counted.set()
        server.shutdown()


# ---- the engine's own bound ----


class Refusing:
    """An engine that refuses what it is told to, and keeps the quotas that it was asked for."""

    def __init__(self, refuses) -> None:
        self.refuses = refuses
        self.asked: list[int] = []

    def create(self, quota_bytes: int) -> None:
        self.asked.append(quota_bytes)
        if self.refuses(quota_bytes):
            raise docker.errors.APIError(f"refused {quota_bytes}")


def test_quota_is_asked_for_where_the_engine_takes_it():
    quota, engine = LayerQuota(LIMIT), Refusing(lambda _: False)
    quota.rule_out(XFS)
    for _ in range(2):
        quota.apply(engine.create)
    assert engine.asked == [LIMIT, LIMIT]


def test_engine_that_refuses_a_quota_is_not_asked_for_it_again():
    quota, engine = LayerQuota(LIMIT), Refusing(bool)
    for _ in range(2):
        quota.apply(engine.create)
    assert engine.asked == [LIMIT, 0, 0]


def test_refusal_of_the_container_itself_says_nothing_about_quotas():
    quota, engine = LayerQuota(LIMIT), Refusing(lambda _: True)
    with pytest.raises(docker.errors.APIError, match="refused 0"):
        quota.apply(engine.create)
    engine.refuses = lambda _: False
    quota.apply(engine.create)
    engine.refuses = lambda _: True
    with pytest.raises(docker.errors.APIError, match=f"refused {LIMIT}"):
        quota.apply(engine.create)
    assert engine.asked == [LIMIT, 0, LIMIT, LIMIT]


@pytest.mark.parametrize(
    "info",
    [
        {"Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "extfs"]]},
        {"Driver": "btrfs", "DriverStatus": [["Build Version", "Btrfs v6.2"]]},
        {
            "Driver": "overlayfs",
            "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
        },
        {"Driver": "vfs", "DriverStatus": None},
    ],
)
def test_engine_that_has_no_quota_of_use_is_never_asked_for_one(info):
    quota, engine = LayerQuota(LIMIT), Refusing(bool)
    quota.rule_out(info)
    quota.apply(engine.create)
    assert engine.asked == [0]


def test_no_limit_is_no_quota():
    quota, engine = LayerQuota(0), Refusing(bool)
    quota.rule_out(XFS)
    quota.apply(engine.create)
    assert engine.asked == [0]
