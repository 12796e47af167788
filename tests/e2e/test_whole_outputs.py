"""Regressions in the outputs of calls, which a review of the worker found."""

from __future__ import annotations

from tests.e2e.plant import plant

MIB = 1024 * 1024


def test_output_that_grows_too_large_with_its_very_end_is_509() -> None:
    with plant() as made:
        made.functions.define("just-over", f"head -c {MIB} /dev/zero; sleep 0.5; echo x")
        call_ids = [made.functions.call("just-over") for _ in range(6)]
        answers = [made.functions.output("just-over", call_id) for call_id in call_ids]
        assert [it.status for it in answers] == [509] * 6


def test_output_of_long_lines_is_the_same_after_a_takeover() -> None:
    script = (
        "for size in 16383 16384 16385 32768 100000 5; do head -c $size /dev/zero; echo; done;"
        " head -c 40000 /dev/zero >&2; sleep 6; head -c 20000 /dev/zero"
    )
    with plant() as made:
        made.define("lines", script)
        call_id = made.call("lines")
        made.wait_until_ran(call_id)
        made.workers[0].kill()
        made.workers[0].start()
        answer = made.functions.output("lines", call_id)
        sizes = (16383, 16384, 16385, 32768, 100000, 5)
        assert answer.status == 200
        assert answer.body == b"".join(bytes(size) + b"\n" for size in sizes) + bytes(20000)
