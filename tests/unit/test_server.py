"""What gunicorn logs and answers: access lines in JSON without secrets, and errors."""

from __future__ import annotations

import io
import json
import logging
import ssl
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import (
    InvalidRequestLine,
    LimitRequestHeaders,
    LimitRequestLine,
    UnsupportedTransferCoding,
)

from funcsvc.web.gunicorn.logger import Logger, without_secrets
from funcsvc.web.gunicorn.worker import DeadlineWorker

UUID = "e62c014e-386c-42ea-8d07-41d44e98cc3d"
CALL_ID = "218b7b10-0000-4000-8000-000000000000"


@pytest.fixture
def access_log():
    """gunicorn's logger with our format, which writes into a buffer."""
    config = Config()
    config.set("accesslog", "-")
    logger = Logger(config)
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logger.access_log.handlers[:] = [handler]
    yield SimpleNamespace(logger=logger, written=written)
    logger.access_log.handlers.clear()
    logger.error_log.handlers.clear()


def access_line(access_log, status="201 CREATED", sent=123, **environ) -> str:
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/funcs/create",
        "REMOTE_ADDR": "127.0.0.1",
        "funcsvc.request_id": "abc",
        **environ,
    }
    response = SimpleNamespace(status=status, sent=sent)
    access_log.logger.access(response, None, environ, timedelta(milliseconds=12.34))
    return access_log.written.getvalue()


def test_access_line_is_one_json_object(access_log):
    text = access_line(access_log)
    assert text.count("\n") == 1
    line = json.loads(text)
    assert datetime.fromisoformat(line.pop("time")).utcoffset() == timedelta(0)
    assert line == {
        "request_id": "abc",
        "client": "127.0.0.1",
        "method": "POST",
        "path": "/funcs/create",
        "status": 201,
        "bytes": 123,
        "ms": 12.3,
    }


def test_access_line_has_no_secrets(access_log):
    text = access_line(
        access_log,
        PATH_INFO=f"/call/hello/{UUID}",
        RAW_URI=f"/call/hello/{UUID}?q=hunter2",
        QUERY_STRING="q=hunter2",
        HTTP_AUTHORIZATION="Basic hunter2",
        HTTP_COOKIE="hunter2",
        HTTP_REFERER=f"http://example.com/call/hello/{UUID}",
        HTTP_USER_AGENT="hunter2",
    )
    assert "hunter2" not in text
    assert UUID not in text
    assert json.loads(text)["path"] == "/call/hello/-"


@pytest.mark.parametrize("path", ['/"}', "/a\nb", "/\x00", "/ä", "/\udc80"])
def test_path_can_not_forge_a_line(access_log, path):
    text = access_line(access_log, PATH_INFO=path)
    assert text.count("\n") == 1
    assert json.loads(text)["path"] == path


@pytest.mark.parametrize("status", ["413", "413 Too Large", 413])
def test_status_is_a_number(access_log, status):
    assert json.loads(access_line(access_log, status=status))["status"] == 413


def test_request_that_broke_off_early_is_logged(access_log):
    access_log.logger.access(SimpleNamespace(status="400 X", sent=None), None, {}, timedelta(0))
    line = json.loads(access_log.written.getvalue())
    assert (line["request_id"], line["path"], line["bytes"]) == ("", "", 0)


def test_nothing_is_logged_without_an_access_log():
    logger = Logger(Config())
    written = io.StringIO()
    logger.access_log.handlers[:] = [logging.StreamHandler(written)]
    logger.access(SimpleNamespace(status="200 OK", sent=1), None, {}, timedelta(0))
    logger.access_log.handlers.clear()
    assert written.getvalue() == ""


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/funcs/create", "/funcs/create"),
        ("/v1.23/funcs/hello", "/v1.23/funcs/hello"),
        (f"/call/hello/{UUID}", "/call/hello/-"),
        (f"/call/hello/{UUID}/sync", "/call/hello/-/sync"),
        (f"/call/hello/{UUID.upper()}", "/call/hello/-"),
        (f"/v1.23/call/hello/{UUID}", "/v1.23/call/hello/-"),
        (f"/output/hello/{UUID}/{CALL_ID}", "/output/hello/-/-"),
        (f"/output/hello/{UUID}/{CALL_ID}/wait", "/output/hello/-/-/wait"),
        (f"/status/hello/{UUID}", "/status/hello/-"),
        (f"/logs/hello/{UUID}", "/logs/hello/-"),
        ("/call/hello/not-quite-a-uuid", "/call/hello/-"),
        (f"/call/hello/{UUID[:-1]}", "/call/hello/-"),
        (f"//call/hello/{UUID}", "//call/hello/-"),
        (f"/{UUID}", "/-"),
        ("/call/hello", "/call/hello"),
        ("/funcs/call", "/funcs/call"),
    ],
)
def test_path_is_logged_without_its_key(path, logged):
    assert without_secrets(path) == logged


class FakeClient:
    """A socket that stores what is sent to it, or is gone."""

    def __init__(self, *, gone: bool = False, was_cut: bool = False) -> None:
        self.sent = b""
        self.was_cut = was_cut
        self._gone = gone

    def sendall(self, data: bytes) -> None:
        if self._gone:
            raise BrokenPipeError
        self.sent += data


class FakeLog:
    """gunicorn's log as pairs of level and text."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def debug(self, message: str, *args: object) -> None:
        self.lines.append(("debug", message % args))

    def warning(self, message: str, *args: object) -> None:
        self.lines.append(("warning", message % args))

    def exception(self, message: str, *args: object) -> None:
        self.lines.append(("exception", message % args))


def handle(error: Exception, client: FakeClient, addr=("127.0.0.1", 1)) -> list[tuple[str, str]]:
    """Let a gunicorn worker handle an error, and return what it logged."""
    log = FakeLog()
    DeadlineWorker.handle_error(SimpleNamespace(log=log), None, client, addr, error)
    return log.lines


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (LimitRequestLine(9000, 4094), 414, "The request line is too long."),
        (
            LimitRequestHeaders("limit request headers fields"),
            431,
            "The request's header fields are too many or too long.",
        ),
        (
            UnsupportedTransferCoding("gzip"),
            501,
            "The request's Transfer-Encoding is not supported.",
        ),
        (InvalidRequestLine("<b>"), 400, "The request is not valid HTTP."),
        (
            RuntimeError("secret"),
            500,
            "The service failed unexpectedly; its log says more.",
        ),
    ],
)
def test_what_never_became_a_request_is_answered_in_json(error, status, message):
    client = FakeClient()
    handle(error, client)
    head, _, body = client.sent.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0].startswith(f"HTTP/1.1 {status} ")
    assert set(lines[1:]) == {
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    }
    assert json.loads(body) == {"message": message}


BAD_REQUEST = ("warning", "A client at 127.0.0.1 got 400: The request is not valid HTTP.")


def test_only_failures_of_ours_are_logged_as_failures():
    assert handle(InvalidRequestLine("secret"), FakeClient()) == [BAD_REQUEST]
    assert handle(RuntimeError("secret"), FakeClient())[-1] == (
        "exception",
        "A request failed outside of the application.",
    )


def test_client_that_is_gone_is_no_failure():
    assert handle(InvalidRequestLine("x"), FakeClient(gone=True)) == [
        BAD_REQUEST,
        ("debug", "The client of a request that failed is gone."),
    ]


def test_nothing_follows_an_answer_that_has_been_cut():
    client = FakeClient(was_cut=True)
    assert handle(ssl.SSLError("the client is gone"), client) == []
    assert client.sent == b""


@pytest.mark.parametrize("addr", [None, (), "", ("",)])
def test_client_at_a_unix_socket_has_no_address(addr):
    client = FakeClient()
    handle(InvalidRequestLine("x"), client, addr)
    assert client.sent.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("error", "logged"),
    [(TimeoutError("slow"), False), (ConnectionResetError("gone"), True), (KeyError("x"), True)],
)
def test_client_that_stands_still_is_no_failure(access_log, caplog, error, logged):
    logger = access_log.logger
    written = io.StringIO()
    logger.error_log.handlers[:] = [logging.StreamHandler(written)]
    logger.error_log.setLevel(logging.INFO)
    try:
        raise error
    except Exception:
        logger.exception("Error handling request")
    assert ("Error handling request" in written.getvalue()) is logged
