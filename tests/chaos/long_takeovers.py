"""Regressions that a review of taking over calls found, run by `make chaos`."""

from __future__ import annotations

import time

import pytest

from dev import servers
from tests.e2e.functions import running
from tests.e2e.plant import plant
from tests.e2e.test_ended_from_outside import ENDED, TOLD, begin_all

MIB = 1024 * 1024


def test_quiet_call_that_was_taken_over_goes_on() -> None:
    with plant(engine_timeout_seconds=1, engine_gone_seconds=3) as made:
        made.define("quiet", "sleep 8; echo done")
        call_id = made.call("quiet")
        made.wait_until_ran(call_id)
        made.workers[0].kill()
        made.workers[0].start()
        answer = made.functions.output("quiet", call_id)
        assert (answer.status, answer.body) == (200, b"done\n")


def test_timeout_is_kept_for_a_call_that_was_taken_over() -> None:
    with plant() as made:
        made.define("late", "sleep 60", Timeout=6)
        call_id = made.call("late")
        made.wait_until_ran(call_id)
        start = time.monotonic()
        made.workers[0].kill()
        made.workers[0].start()
        assert made.functions.output("late", call_id).status == 504
        assert time.monotonic() - start < 6 + 2


def test_late_owner_leaves_the_container_to_the_new_one() -> None:
    with plant(slots=4) as made:
        made.define("slow", "sleep 7; echo done")
        call_ids = [made.call("slow") for _ in range(4)]
        for call_id in call_ids:
            made.wait_until_ran(call_id)
        made.workers[0].pause()
        second = made.add_worker(slots=4)
        servers.wait_until(lambda: second.log().count("taken over") == 4, "all are taken over", 20)
        made.workers[0].resume()
        answers = [made.functions.output("slow", call_id) for call_id in call_ids]
        assert [(it.status, it.body) for it in answers] == [(200, b"done\n")] * 4
        made.check_nothing_is_left()


@pytest.mark.parametrize("tail", ["exit 0", "exit 7"])
def test_call_whose_first_output_the_engine_has_dropped_is_told_as_far_as_it_goes(
    tail: str,
) -> None:
    with plant(container_log_bytes=2 * MIB) as made:
        made.define("loud", f"head -c 12000000 /dev/zero >&2; touch /data/printed; sleep 5; {tail}")
        call_id = made.call("loud")
        made.wait_until_ran(call_id)
        time.sleep(3)
        made.workers[0].kill()
        made.workers[0].start()
        answer = made.functions.output("loud", call_id)
        assert answer.status == 500
        expected = "exit code 7" if tail == "exit 7" else "more than the engine keeps"
        assert expected in answer.json["message"]


def test_engine_stopped_while_no_worker_lives_fails_what_it_ran_and_says_so() -> None:
    with plant(slots=4) as made:
        calls = begin_all(made.functions, made.engines[0], "later")
        made.workers[0].kill()
        made.engines[0].end()
        made.engines[0].start()
        made.workers[0].start()
        for name, call_id in calls.items():
            answer = made.functions.output(name, call_id)
            assert (answer.status, answer.json["message"]) == (500, TOLD.format("15 (SIGTERM)")), (
                name
            )
        made.check_nothing_is_left()


def test_container_that_somebody_has_started_again_is_not_followed_until_the_timeout() -> None:
    with plant() as made:
        calls = begin_all(made.functions, made.engines[0], "again")
        made.workers[0].pause()
        with made.engines[0].client() as client:
            for container in set().union(*(running(made.engines[0], name) for name in calls)):
                client.kill(container)
                client.wait(container)
                client.start(container)
        made.workers[0].resume()
        for name, call_id in calls.items():
            answer = made.functions.output(name, call_id)
            assert answer.status == 500
            assert answer.json["message"].startswith(ENDED), name
        made.check_nothing_is_left()
