"""Faults that take long, run by `make chaos`. tests/e2e/test_faults.py has the short ones."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from dev import servers
from tests.e2e.plant import plant


def test_redis_killed_and_restarted_loses_no_call() -> None:
    with plant(slots=4) as made:
        made.define("short", "sleep 0.5; echo done")
        for _ in range(12):
            made.call("short")
        made.redis.kill()
        time.sleep(1)
        made.redis.start()
        assert made.check_ledger() == {"finished": 12, "failed": 0}


def test_redis_out_of_reach_for_ten_seconds_under_load_loses_no_call() -> None:
    with plant(slots=4) as made:
        made.define("short", "sleep 0.3; echo done")
        for _ in range(20):
            made.call("short")
        made.redis.pause()
        refused = made.web.request("POST", f"/call/short/{made.functions.keys['short']}")
        assert refused.status == 500
        time.sleep(10)
        made.redis.resume()
        assert made.check_ledger() == {"finished": 20, "failed": 0}


def test_engine_killed_and_restarted_ends_every_call() -> None:
    with plant(slots=2) as made:
        made.define("slow", "sleep 3; echo done")
        for _ in range(4):
            made.call("slow")
        made.wait_until_ran(made.accepted["slow"][0])
        made.engines[0].kill()
        made.engines[0].start()
        made.check_ledger()


def test_engine_that_stood_still_for_twenty_seconds_makes_calls_slow_and_no_more() -> None:
    with plant(slots=2) as made:
        made.define("short", "sleep 1; echo done")
        for _ in range(4):
            made.call("short")
        made.wait_until_ran(made.accepted["short"][0])
        made.engines[0].pause()
        time.sleep(20)
        made.engines[0].resume()
        assert made.check_ledger() == {"finished": 4, "failed": 0}


def test_calls_of_an_engine_that_is_gone_for_good_fail_and_say_so() -> None:
    with plant(engines=2, engine_gone_seconds=4) as made:
        made.define("slow", "sleep 60; echo done")
        call_id = made.call("slow")
        made.wait_until_ran(call_id)
        made.workers[0].kill()
        made.add_worker(engine=1)
        answer = made.functions.output("slow", call_id)
        assert answer.status == 500
        assert "engine that ran the function is gone" in answer.json["message"]
        made.workers[0].start()  # which finds a container without an owner
        made.check_nothing_is_left()


def test_hundred_calls_at_once_run_once_each_on_two_engines() -> None:
    with plant(engines=2, workers=2) as made:
        made.define("once", "cat")
        with ThreadPoolExecutor(20) as pool:
            ids = list(pool.map(lambda n: made.call("once", str(n).encode()), range(100)))
        answers = [made.functions.output("once", call_id, 120) for call_id in ids]
        assert sorted(int(it.body) for it in answers) == list(range(100))
        assert set(made.runs().values()) == {1}
        assert len(made.runs()) == 100
        assert made.functions.counts("once")["Finished"] == 100
        made.check_nothing_is_left()


def test_worker_that_stood_still_before_the_start_runs_nothing_afterwards() -> None:
    with plant() as made:
        made.define("quick", "echo done")
        made.engines[0].pause()
        call_id = made.call("quick")
        made.wait_for_status(call_id, "Running")
        made.workers[0].pause()
        made.engines[0].resume()
        made.add_worker()
        assert made.functions.output("quick", call_id).body == b"done\n"
        made.workers[0].resume()
        servers.wait_until(lambda: "took it over" in made.workers[0].log(), "it saw its loss", 20)
        assert made.runs() == {call_id: 1}
        made.check_nothing_is_left()


def test_engine_restarted_ends_what_ran_and_runs_what_waited() -> None:
    with plant(slots=2) as made:
        made.define("slow", "sleep 4; echo done")
        call_ids = [made.call("slow") for _ in range(4)]
        made.wait_until_ran(call_ids[0])
        made.wait_until_ran(call_ids[1])
        made.engines[0].end()
        made.engines[0].start()
        answers = [made.functions.output("slow", call_id) for call_id in call_ids]
        assert [it.status for it in answers] == [500, 500, 200, 200]
        assert "ended from outside" in answers[0].json["message"]  # dockerd stops its containers
        assert set(made.runs().values()) == {1}
        made.check_nothing_is_left()


def test_timeout_is_kept_while_the_engine_stands_still() -> None:
    with plant() as made:
        made.define("slow", "sleep 30", Timeout=2)
        call_id = made.call("slow")
        made.wait_until_ran(call_id)
        made.engines[0].pause()
        start = time.monotonic()
        answer = made.functions.output("slow", call_id)
        assert answer.status == 504
        assert time.monotonic() - start < 2 + 2
        made.engines[0].resume()
        made.check_nothing_is_left()


def test_full_disk_of_the_engine_fails_calls_and_says_so() -> None:
    with plant() as made:
        made.define("short", "echo done")
        assert made.functions.sync("short").body == b"done\n"
        data = made.engines[0].place / "data"
        made.engines[0].end()
        saved = data.rename(data.with_name("saved"))
        data.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", data], check=True)
        subprocess.run(["cp", "-a", f"{saved}/.", data], check=True)
        made.engines[0].start()
        with (data / "filler").open("wb") as filler:
            try:
                while True:
                    filler.write(bytes(65536))
                    filler.flush()
            except OSError:
                pass
        call_id = made.call("short")
        answer = made.functions.output("short", call_id)
        assert answer.status == 500
        (data / "filler").unlink()
        made.accepted["short"] = []
        assert made.functions.sync("short").body == b"done\n"
        made.check_nothing_is_left()
