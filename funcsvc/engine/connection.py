"""Access to the engine: a client per piece of work, with one deadline for all of its requests.

docker-py's clients can't be shared between threads, its pools can be closed under another thread,
its pulls have no timeout, and a client without a version asks the engine for it on creation. So
each piece of work gets a client of its own, with the cached version, and every request is cut off
at the deadline. Frequent answers are cached in `answer_cache`, so that this costs little.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http import HTTPStatus
from threading import Timer
from typing import Any, TypeVar

import docker
import requests
from docker.utils import kwargs_from_env

from funcsvc.engine.reasons import translated
from funcsvc.model.errors import EngineUnavailable

MAX_API_VERSION = "1.44"
"""The newest version of the engine's API to use. With an older engine, its own version is used."""


CLIENT_VERSION = re.compile(r"client version \S+ is too (?:new|old)\b")
"""How an engine begins to say that it doesn't have the version of its API that was asked for."""


CONFIG_FILE_ERRORS = (ValueError, TypeError, AttributeError, docker.errors.InvalidConfigFile)
"""What docker-py raises for an invalid Docker config file."""


class Deadline:
    """The time by which a piece of work must end."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining_seconds(self) -> float:
        """Return the seconds left. Raises EngineUnavailable if there are none."""
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise EngineUnavailable("it did not answer in time")
        return remaining

    def is_over(self) -> bool:
        """Tell whether no time is left."""
        return time.monotonic() >= self._end


class EngineClient(docker.APIClient):
    """A docker-py client that trusts the CA in DOCKER_CERT_PATH, whatever REQUESTS_CA_BUNDLE is."""

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        verify = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, verify, cert)


class DeadlineClient(EngineClient):
    """A docker-py client whose requests, even pulls, get the time left until its deadline."""

    def __init__(self, deadline: Deadline, **kwargs: Any) -> None:
        self.deadline = deadline
        self._streams = ExitStack()
        super().__init__(timeout=deadline.remaining_seconds(), **kwargs)

    def send(self, request: Any, **kwargs: Any) -> Any:
        response = super().send(request, **kwargs)
        if kwargs.get("stream"):
            self._cut_at_deadline(response)
        return response

    def close(self) -> None:
        self._streams.close()
        super().close()

    def _cut_at_deadline(self, response: Any) -> None:
        """Cut a stream off at the deadline: a socket's timeout starts over with every read."""
        self._streams.callback(response.close)
        cutter = Timer(self.deadline.remaining_seconds(), response.raw.shutdown)
        cutter.daemon = True
        cutter.start()
        self._streams.callback(cutter.cancel)

    def _set_request_timeout(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        kwargs["timeout"] = self.deadline.remaining_seconds()
        return kwargs


class StreamClient(EngineClient):
    """A docker-py client for one stream, which has no deadline: its reader watches the clock."""

    def __init__(self, seconds: float, **kwargs: Any) -> None:
        super().__init__(timeout=seconds, **kwargs)


Client = TypeVar("Client", bound=EngineClient)


class EngineConnection:
    """Access to one engine. Holds no socket, so it is safe to share by threads and across forks."""

    def __init__(self, docker_host: str) -> None:
        self._docker_host = docker_host
        self._version: str | None = None
        self._data_root: str | None = None

    @contextmanager
    def client(self, deadline: Deadline) -> Iterator[DeadlineClient]:
        """Open a client for one piece of work. Raises EngineUnavailable if docker-py fails."""
        with self.translated():
            client = self._make_client(deadline)
            try:
                yield client
            except (docker.errors.APIError, requests.exceptions.ConnectionError) as error:
                self._forget_version(error)
                raise
            finally:
                client.close()

    def find_data_root(self, deadline: Deadline) -> str:
        """Return the folder where the engine keeps its data, cached. Raises EngineUnavailable."""
        root = self._data_root
        if root is None:
            with self.client(deadline) as client:
                self._data_root = root = str(client.info()["DockerRootDir"])
        return root

    def _forget_version(self, error: Exception) -> None:
        """Forget what is cached if the engine was away or refused it, as it might have changed."""
        if isinstance(error, docker.errors.APIError):
            text = str(error.explanation or "")
            if error.status_code != HTTPStatus.BAD_REQUEST or not CLIENT_VERSION.match(text):
                return
        self._version = self._data_root = None

    def translated(self) -> AbstractContextManager[None]:
        """Turn the errors of docker-py and requests into EngineUnavailable."""
        return translated(has_socket=self._docker_host.startswith("unix:"))

    def stream_client(self, deadline: Deadline) -> StreamClient:
        """Return a client for one stream, which the caller must close.

        Its requests get the time that is left now. Must be called within `translated`.
        """
        options = self._options()
        version = self._find_version(deadline, options)
        return _open(StreamClient, deadline.remaining_seconds(), version=version, **options)

    def _make_client(self, deadline: Deadline) -> DeadlineClient:
        options = self._options()
        version = self._find_version(deadline, options)
        return _open(DeadlineClient, deadline, version=version, **options)

    def _options(self) -> dict[str, Any]:
        try:
            return dict(kwargs_from_env({**os.environ, "DOCKER_HOST": self._docker_host}))
        except docker.errors.TLSParameterError as error:
            unusable = error
        _check_tls_files()  # docker-py doesn't say what is wrong with them
        raise unusable

    def _find_version(self, deadline: Deadline, options: dict[str, Any]) -> str:
        if self._version is None:
            with _open(DeadlineClient, deadline, version=MAX_API_VERSION, **options) as client:
                answer = client.version(api_version=False)
            if not isinstance(answer, dict):
                raise ValueError("not an engine's answer")
            self._version = min(str(answer["ApiVersion"]), MAX_API_VERSION, key=_numbers)
        return self._version


def _open(kind: type[Client], *args: Any, **options: Any) -> Client:
    """Return a new client. Each reads the Docker config file, even if it isn't needed."""
    try:
        return kind(*args, **options)
    except CONFIG_FILE_ERRORS as error:
        raise EngineUnavailable("the operator's Docker config file is not valid") from error


def _check_tls_files() -> None:
    """Raise EngineUnavailable if one of the operator's TLS files can't be found."""
    folder = os.environ.get("DOCKER_CERT_PATH") or os.path.expanduser("~/.docker")
    with translated(has_socket=False):
        for name in ("cert.pem", "key.pem", "ca.pem"):
            os.stat(os.path.join(folder, name))


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
