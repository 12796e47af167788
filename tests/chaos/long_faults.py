"""What must survive, continued: the faults that take long. `make chaos` runs them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

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
        made.workers[0].start_working()  # which finds the container that is nobody's any more
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
