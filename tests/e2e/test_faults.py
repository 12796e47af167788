"""Whatever is killed, every accepted call ends once and runs at most once."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from dev import servers
from tests.e2e.plant import plant


def test_web_killed_while_it_waits_loses_no_call() -> None:
    with plant() as made, ThreadPoolExecutor() as pool:
        made.define("slow", "sleep 2; echo done")
        waiter = pool.submit(made.functions.sync, "slow")
        with made.redis.client() as client:
            call_id = servers.wait_until(lambda: client.hvals("funcsvc:owners"), "the call runs")[
                0
            ].decode()
        for pid in made.web.worker_pids():
            os.kill(pid, signal.SIGKILL)
        assert waiter.exception() is not None
        servers.wait_until(made.web.is_healthy, "gunicorn has started others")
        made.accepted["slow"].append(call_id)
        assert made.check_ledger() == {"finished": 1, "failed": 0}


def test_worker_killed_before_the_container_started_leaves_the_call_to_the_next() -> None:
    with plant() as made:
        made.define("quick", "echo done")
        made.engines[0].pause()
        call_id = made.call("quick")
        made.wait_for_status(call_id, "Running")
        made.workers[0].kill()
        made.engines[0].resume()
        made.workers[0].start()
        assert made.check_ledger() == {"finished": 1, "failed": 0}
        assert made.runs() == {call_id: 1}


def test_worker_killed_while_the_function_runs_leaves_it_to_the_next() -> None:
    with plant() as made:
        made.define("slow", "cat; sleep 3; echo done")
        call_id = made.call("slow", b"\xff\x00payload\n")
        made.wait_until_ran(call_id)
        made.workers[0].kill()
        made.workers[0].start()
        answer = made.functions.output("slow", call_id)
        assert (answer.status, answer.body) == (200, b"\xff\x00payload\ndone\n")
        assert made.runs() == {call_id: 1}
        made.check_nothing_is_left()


def test_worker_killed_between_end_and_recording_leaves_the_result_to_the_next() -> None:
    with plant() as made:
        made.define("quick", "sleep 1; echo done")
        call_id = made.call("quick")
        made.wait_until_ran(call_id)
        made.redis.pause()
        time.sleep(2)  # the function ends, and its end can't be recorded
        made.workers[0].kill()
        made.redis.resume()
        made.workers[0].start()
        assert made.check_ledger() == {"finished": 1, "failed": 0}
        assert made.runs() == {call_id: 1}


def test_result_is_there_however_late_it_is_taken_over() -> None:
    """A call that ended within its Timeout hasn't failed just because it is looked at later."""
    with plant() as made:
        made.define("brief", "sleep 2; echo done", Timeout=4)
        made.define("endless", "sleep 600", Timeout=4)
        brief, endless = made.call("brief"), made.call("endless")
        for call_id in (brief, endless):
            made.wait_until_ran(call_id)
        made.workers[0].kill()
        time.sleep(4)
        made.workers[0].start()
        answer = made.functions.output("brief", brief)
        assert (answer.status, answer.body) == (200, b"done\n")
        assert made.functions.output("endless", endless).status == 504
        made.check_nothing_is_left()


def test_worker_that_stood_still_past_its_lease_changes_nothing() -> None:
    with plant() as made:
        made.define("slow", "sleep 2; echo done")
        call_id = made.call("slow")
        made.wait_until_ran(call_id)
        made.workers[0].pause()
        made.add_worker()
        answer = made.functions.output("slow", call_id)
        assert (answer.status, answer.body) == (200, b"done\n")
        made.workers[0].resume()
        servers.wait_until(lambda: "not recorded" in made.workers[0].log(), "it saw its loss")
        assert made.runs() == {call_id: 1}
        assert made.functions.counts("slow")["Finished"] == 1
        made.check_nothing_is_left()


def test_worker_that_is_told_to_stop_finishes_and_leaves_the_rest_to_the_next() -> None:
    with plant(worker_grace_seconds=2) as made:
        made.define("short", "sleep 1; echo done")
        made.define("long", "sleep 6; echo done")
        made.call("short")
        long = made.call("long")
        made.wait_until_ran(long)
        made.wait_until_ran(made.accepted["short"][0])
        made.workers[0].end()
        assert made.functions.counts("short")["Finished"] == 1
        assert made.functions.counts("long")["Running"] == 1
        pending = made.call("short")
        made.wait_for_status(pending, "Pending")
        made.workers[0].start()
        assert made.check_ledger() == {"finished": 3, "failed": 0}
        assert set(made.runs().values()) == {1}
