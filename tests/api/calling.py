"""A func and its public paths, for tests of calls."""

from __future__ import annotations

from dataclasses import dataclass

from flask.testing import FlaskClient

from funcsvc.model import Failure, Outcome
from tests.fakes import FakeCallStore

OTHER_UUID = "e62c014e-386c-42ea-8d07-41d44e98cc3d"
NO_CALL = "218b7b10-0000-4000-8000-000000000000"
HELLO = Outcome(output=b"HelloWorld\n", short_stdout=b"HelloWorld\n")
FAILED = Outcome(failure=Failure.FAILED, message="The function ended with exit code 7.")
TIMED_OUT = Outcome(failure=Failure.TIMED_OUT, message="The function ran past its Timeout.")
TOO_LARGE = Outcome(failure=Failure.TOO_LARGE, message="The function's output is too large.")


@dataclass(frozen=True)
class CalledFunc:
    """A func, the client that calls it, and the store in which a test plays the worker."""

    client: FlaskClient
    calls: FakeCallStore
    name: str
    uuid: str

    def path(self, kind: str, *more: str) -> str:
        """Return a public path of the func, such as `/output/<name>/<uuid>/<more>`."""
        return "/".join(["", kind, self.name, self.uuid, *more])

    def call(self, **options) -> str:
        """Call the func and return the call's id."""
        answer = self.client.post(self.path("call"), **options)
        assert answer.status_code == 200, answer.get_json()
        return answer.get_json()["CallId"]

    def ended(self, outcome: Outcome = HELLO, **options) -> str:
        """Call the func, end the call and return its id."""
        call_id = self.call(**options)
        self.calls.end(call_id, outcome)
        return call_id


def make_func(
    client: FlaskClient, calls: FakeCallStore, name: str = "hello", **fields
) -> CalledFunc:
    """Create a func."""
    config = {"Image": "ubuntu", **fields.pop("Config", {})}
    answer = client.post("/funcs/create", json={"Name": name, "Config": config, **fields})
    assert answer.status_code == 201, answer.get_json()
    return CalledFunc(client, calls, name, answer.get_json()["UUID"])
