"""What happens to waiting instances over a longer time, run by `make chaos`."""

from __future__ import annotations

from dev import servers
from tests.e2e.functions import containers, wait_until_no_container
from tests.e2e.plant import plant
from tests.e2e.test_waiting import wait_for_waiting


def test_engine_that_restarts_costs_the_call_nothing_but_time() -> None:
    with plant() as made:
        made.functions.define("free", ["echo", "done"])
        made.functions.sync("free")
        wait_for_waiting(made.engines[0], "free")
        made.engines[0].kill()
        made.engines[0].start()
        answer = made.functions.sync("free")
        assert (answer.status, answer.body) == (200, b"done\n")


def test_what_a_killed_worker_left_waiting_is_removed_by_the_next() -> None:
    with plant() as made:
        made.functions.define("free", "hostname")
        made.functions.sync("free")
        left = wait_for_waiting(made.engines[0], "free")
        made.workers[0].kill()
        made.workers[0].start()
        servers.wait_until(
            lambda: not {*left} & {it["Id"] for it in containers(made.engines[0])}, "it is gone", 20
        )
        assert made.functions.sync("free").status == 200
        made.check_nothing_is_left()


def test_zero_turns_waiting_off_and_idle_functions_lose_theirs() -> None:
    with plant(workers=0) as made:
        off = made.add_worker(waiting_per_func=0)
        made.functions.define("free", "hostname")
        made.functions.sync("free")
        wait_until_no_container(made.engines[0])
        off.end()
        made.add_worker(waiting_idle_seconds=2)
        made.functions.sync("free")
        wait_for_waiting(made.engines[0], "free")
        wait_until_no_container(made.engines[0])
