"""Reading: one func against a bare GET, a page of a long list against a short one, signed requests."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median

from bench.load import run_gets
from bench.measure import Plan, say, take_sample
from bench.redis_data import FILL, RedisData
from bench.report import Row, markdown
from bench.runs import Run, interleave
from bench.service import Service

_KEY, _SECRET = "bench", "benchsecret"  # of a service on loopback, for as long as it runs
WITH_KEYS = {"FUNCSVC_ACCESS_KEYS": f"{_KEY}:{_SECRET}"}
KEYED = {"Authorization": f"Basic {base64.b64encode(f'{_KEY}:{_SECRET}'.encode()).decode()}"}

PAGE = 100
INSPECT, BARE = "inspect", "bare GET of a key"
SHORT, LONG = f"page of {PAGE} from {PAGE}", f"page of {PAGE} from {FILL:,}"
OPEN, SIGNED = "inspect, open, one client", "inspect, signed, one client"
CONTENDERS = (INSPECT, BARE, SHORT, LONG, OPEN, SIGNED)
MAX_SIGNING_MS = 0.3


@dataclass
class Reads:
    """The runs of each contender."""

    runs: dict[str, list[Run]] = field(default_factory=lambda: {name: [] for name in CONTENDERS})


class ReadBench:
    """The services, and what it takes to read from them."""

    def __init__(
        self, plan: Plan, service: Service, bare: Service, keyed: Service, data: RedisData
    ) -> None:
        self._plan = plan
        self._service = service
        self._bare = bare
        self._keyed = keyed
        self._data = data

    def measure(self, image: str) -> Reads:
        """Measure everything; raises BenchFailed at the first wrong answer."""
        reads = Reads()
        seconds = min(self._plan.seconds, 5)
        sample = take_sample(self._service, self._data, image)
        self._bare.create("helloworld", image)
        for name in interleave(CONTENDERS, self._plan.rounds):
            if name in (SHORT, LONG):
                self._data.fill(sample, FILL if name == LONG else PAGE)
            self._data.settle()
            run = self._runs()[name](seconds)
            say(f"{name}: {run.rate:,.0f}/s, p50 {run.p50_ms:.2f} ms")
            reads.runs[name].append(run)
            if name == LONG:
                self._data.clear()
                sample = take_sample(self._service, self._data, image)
                self._bare.create("helloworld", image)
        return reads

    def _runs(self) -> dict[str, Callable[[float], Run]]:
        func = "/funcs/helloworld"
        page = f"{self._service.root}/funcs?limit={PAGE}"
        return {
            INSPECT: lambda seconds: run_gets(self._service.root + func, seconds),
            BARE: lambda seconds: run_gets(self._bare.root + func, seconds),
            SHORT: lambda seconds: run_gets(page, seconds),
            LONG: lambda seconds: run_gets(page, seconds),
            OPEN: lambda seconds: run_gets(self._service.root + func, seconds, 1),
            SIGNED: lambda seconds: run_gets(
                self._keyed.root + func, seconds, 1, _signed(f"127.0.0.1:{self._keyed.port}", func)
            ),
        }


def reads_table(reads: Reads) -> str:
    """Return the Markdown table."""
    runs = reads.runs
    rows = [Row(f"a second: {name}", [run.rate for run in runs[name]]) for name in CONTENDERS]
    for figure, above, below, least in (
        (f"{INSPECT} / {BARE}", INSPECT, BARE, 0.7),
        (f"{LONG} / {SHORT}", LONG, SHORT, 0.9),
    ):
        values = [
            upper.rate / lower.rate for upper, lower in zip(runs[above], runs[below], strict=True)
        ]
        rows.append(Row(figure, values, "{:.2f}", f"at least {least:g}", median(values) >= least))
    costs = [
        signed.p50_ms - plain.p50_ms for signed, plain in zip(runs[SIGNED], runs[OPEN], strict=True)
    ]
    reached = median(costs) <= MAX_SIGNING_MS
    goal = f"at most {MAX_SIGNING_MS:g}"
    rows.append(Row("a signature's cost, ms (p50)", costs, "{:.2f}", goal, reached))
    return markdown(rows)


def _signed(host: str, path: str) -> list[str]:
    """Return the headers of a signed GET; good for five minutes."""
    date = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    body_hash = hashlib.sha256(b"").hexdigest()
    names = "host;x-hyper-content-sha256;x-hyper-date"
    headers = f"host:{host}\nx-hyper-content-sha256:{body_hash}\nx-hyper-date:{date}\n"
    canonical = "\n".join(("GET", path.lstrip("/"), "", headers, names, body_hash))
    scope = f"{date[:8]}/bench/hyper/hyper_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"HYPER{_SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    to_sign = f"HYPER-HMAC-SHA256\n{date}\n{scope}\n{digest}"
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return [
        f"X-Hyper-Date: {date}",
        f"X-Hyper-Content-Sha256: {body_hash}",
        f"Authorization: HYPER-HMAC-SHA256 Credential={_KEY}/{scope}, SignedHeaders={names}, "
        f"Signature={signature}",
    ]
