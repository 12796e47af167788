"""Images on the engine: looked up, and pulled if missing."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from threading import BoundedSemaphore
from typing import Any

import docker

from funcsvc.config import Settings
from funcsvc.engine.answer_cache import AnswerCache
from funcsvc.engine.connection import Deadline, DeadlineClient, EngineConnection
from funcsvc.engine.containers.starter_volume import CARRIER_LABEL
from funcsvc.engine.images.credentials import CredentialsUnavailable, get_credentials
from funcsvc.engine.images.logins import check_login
from funcsvc.engine.images.progress import public_progress
from funcsvc.engine.images.pull_locks import pull_lock
from funcsvc.engine.images.registry_words import fills_disk, for_the_log, says_no
from funcsvc.engine.sentences import with_plain_root
from funcsvc.model import (
    Image,
    ImageReference,
    InvalidReference,
    is_image_id,
    parse_image_reference,
)
from funcsvc.model.errors import (
    EngineUnavailable,
    FuncsvcError,
    ImageInUse,
    ImageMissing,
    ImageNotFound,
    InvalidQuery,
    NotInRegistry,
    PullForbidden,
    RegistryUnavailable,
    TooManyPulls,
    TooManyWaits,
)

_log = logging.getLogger(__name__)


class Images:
    """Look-ups and pulls on one engine. Safe to share between threads.

    A pull can take up to `pull_timeout_seconds`, including the wait for its turn. At most
    `max_pulls` requests can pull or wait at a time.
    """

    def __init__(self, connection: EngineConnection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._answers: AnswerCache[Image | None] = AnswerCache(settings.engine_remember_seconds)
        self._pulls = BoundedSemaphore(settings.max_pulls)

    def get_image(self, reference: ImageReference) -> Image:
        """Return the image, pulled if it is missing.

        Raises ImageNotFound, RegistryUnavailable, TooManyPulls or EngineUnavailable.
        """
        image = self.find_image(reference)
        if image:
            return image
        if self._settings.pull_policy == "never":
            raise ImageNotFound(
                reference.text, "the engine doesn't have it, and pulls are turned off"
            )
        if not self._pulls.acquire(blocking=False):
            raise TooManyPulls(self._settings.max_pulls)
        try:
            return self._pull_once(reference, Deadline(self._settings.pull_timeout_seconds))
        finally:
            self._pulls.release()

    def find_image(self, reference: ImageReference) -> Image | None:
        """Return the image, or None if the engine doesn't have it. Raises EngineUnavailable."""
        return self._answers.get(reference.canonical, lambda: self._look_up(reference))

    def forget(self, reference: ImageReference) -> None:
        """Make the next look-up ask the engine, because the image turned out to be gone."""
        self._answers.forget(reference.canonical)

    def inspect(self, name: str) -> dict[str, Any]:
        """Return the engine's own inspection of an image, by reference or id.

        Raises ImageMissing, also for the image that the starter is installed with.
        """
        _check_name(name)
        with self._client() as client, _missing(name):
            inspection: dict[str, Any] = client.inspect_image(name)
        if CARRIER_LABEL in ((inspection.get("Config") or {}).get("Labels") or {}):
            raise ImageMissing(name)
        return inspection

    def list_images(self, filters: Mapping[str, Sequence[str]], *, include_all: bool) -> list[Any]:
        """Return the engine's own list of images. Raises InvalidQuery for filters it refuses."""
        params = {"filters": json.dumps(filters), "all": int(include_all)}
        with self._client() as client:
            try:
                url = client._url("/images/json")
                found = client._result(client._get(url, params=params), json=True)
            except docker.errors.APIError as error:
                is_bad_pattern = error.explanation == "syntax error in pattern"  # Go's, as a 500
                if error.status_code not in (400, 404) and not is_bad_pattern:
                    raise
                rule = f"filters that the engine can use: {error.explanation}"
                raise InvalidQuery("filters", json.dumps(filters), rule) from error
        return [one for one in found if CARRIER_LABEL not in (one.get("Labels") or {})]

    def remove(self, name: str, *, force: bool, noprune: bool) -> list[Any]:
        """Remove an image, and return the engine's own list of what it removed.

        Raises ImageMissing, and ImageInUse with the engine's reason.
        """
        _check_name(name)
        with self._client(self._settings.engine_start_seconds) as client, _missing(name):
            try:
                removed: list[Any] = client.remove_image(name, force=force, noprune=noprune)
            except docker.errors.APIError as error:
                if error.status_code != 409:
                    raise
                reason = str(error.explanation).removeprefix("conflict: ").rstrip(".")
                raise ImageInUse(name, reason) from error
            finally:
                self._answers.clear()
        return removed

    def check_login(self, credentials: Mapping[str, str]) -> dict[str, Any]:
        """Return the engine's answer to registry credentials, for which it asks the registry.

        Raises LoginRefused, RegistryNotReached and TooManyWaits.
        """
        if not self._pulls.acquire(blocking=False):
            raise TooManyWaits("wait for registries", self._settings.max_pulls)
        try:
            seconds = self._settings.engine_start_seconds
            return check_login(self._connection, credentials, seconds)
        finally:
            self._pulls.release()

    def pull_progress(
        self, reference: ImageReference, credentials: Mapping[str, str] | None
    ) -> Generator[bytes]:
        """Pull an image and yield the engine's own progress as it comes, a JSON object per line.

        The credentials are the client's own; None means the operator's. Such a pull is never
        shared, so that nobody gets an answer to the credentials of another. An error at the start
        is raised; a later one is reported in the progress itself.
        """
        if self._settings.pull_policy == "never":
            raise PullForbidden(reference.text)
        if not self._pulls.acquire(blocking=False):
            raise TooManyPulls(self._settings.max_pulls)
        try:
            deadline = Deadline(self._settings.pull_timeout_seconds)
            with self._pulling(reference, deadline, credentials) as pull:
                root = self._connection.find_data_root(deadline)
                yield from public_progress(pull(decode=False), root)
        except ImageNotFound as error:
            raise NotInRegistry(reference.text) from error
        finally:
            self._pulls.release()

    def _client(self, seconds: float | None = None) -> AbstractContextManager[DeadlineClient]:
        return self._connection.client(Deadline(seconds or self._settings.engine_timeout_seconds))

    def _look_up(self, reference: ImageReference) -> Image | None:
        with self._client() as client:
            try:
                # the full name can't be mistaken for the beginning of an image id
                return _image(client.inspect_image(reference.canonical))
            except docker.errors.APIError as error:
                if error.status_code == 404:
                    return None
                raise

    def _pull_once(self, reference: ImageReference, deadline: Deadline) -> Image:
        """Wait for other pulls of the image on this host, then pull it if it is still missing."""
        try:
            work = f"{self._settings.docker_host} {reference.canonical}"
            with pull_lock(work, deadline.remaining_seconds()):
                image = self._look_up(reference)
                if image is None:
                    self._pull(reference, deadline)
                    image = self._look_up(reference)
        except TimeoutError:
            raise self._not_in_time(reference) from None
        if image is None:
            raise ImageNotFound(reference.text, "it was pulled, and has been removed since")
        return image

    def _pull(self, reference: ImageReference, deadline: Deadline) -> None:
        with self._pulling(reference, deadline) as pull:
            for progress in pull(decode=True):
                if "error" in progress:
                    raise self._error(reference, progress["error"], deadline)

    @contextmanager
    def _pulling(
        self,
        reference: ImageReference,
        deadline: Deadline,
        given: Mapping[str, str] | None = None,
    ) -> Iterator[Callable[..., Iterator[Any]]]:
        """Give a function that starts the pull and returns its progress.

        Raises ImageNotFound or RegistryUnavailable for what the engine reports, for credentials
        that can't be read, and when the deadline passes.
        """
        try:
            with self._connection.client(deadline) as client:
                credentials = given
                if credentials is None:
                    credentials = get_credentials(reference.domain, deadline)
                try:
                    yield partial(
                        client.pull,
                        reference.name,
                        reference.version,
                        stream=True,
                        auth_config=dict(credentials),
                    )
                except docker.errors.APIError as error:
                    words, secrets = str(error.explanation), (given or {}).values()
                    raise self._error(reference, words, deadline, secrets) from error
        except CredentialsUnavailable as error:
            raise RegistryUnavailable(
                reference.domain, reference.text, f"its credentials can't be read: {error}"
            ) from error
        except EngineUnavailable as error:
            if deadline.is_over():
                raise self._not_in_time(reference) from error
            raise

    def _error(
        self,
        reference: ImageReference,
        words: str,
        deadline: Deadline,
        secrets: Iterable[str] = (),
    ) -> FuncsvcError:
        plain = with_plain_root(words, self._connection.find_data_root(deadline))
        return pull_error(reference, plain, secrets)

    def _not_in_time(self, reference: ImageReference) -> RegistryUnavailable:
        return RegistryUnavailable(
            reference.domain,
            reference.text,
            f"it was not pulled within {self._settings.pull_timeout_seconds:g} seconds",
        )


def pull_error(reference: ImageReference, words: str, secrets: Iterable[str] = ()) -> FuncsvcError:
    """Return the error for the engine's words about a pull, which are logged."""
    _log.warning("pulling %s failed: %s", reference.canonical, for_the_log(words, secrets))
    if fills_disk(words):
        return EngineUnavailable("its disk is full")
    if says_no(words):
        registry = reference.domain
        return ImageNotFound(reference.text, f"{registry} doesn't have it, or denies access to it")
    return RegistryUnavailable(reference.domain, reference.text, "it can't be reached, or failed")


def _check_name(name: str) -> None:
    """Raise ImageMissing for what is neither a reference nor an id: it would be part of a URL."""
    if not is_image_id(name):
        try:
            parse_image_reference(name)
        except InvalidReference:
            raise ImageMissing(name) from None


@contextmanager
def _missing(name: str) -> Iterator[None]:
    """Raise ImageMissing where the engine answers 404."""
    try:
        yield
    except docker.errors.APIError as error:
        if error.status_code == 404:
            raise ImageMissing(name) from error
        raise


def _image(inspection: dict[str, Any]) -> Image:
    config = inspection.get("Config") or {}
    return Image(
        id=inspection["Id"],
        cmd=config.get("Cmd") or (),
        entrypoint=config.get("Entrypoint") or (),
        env=config.get("Env") or (),
        working_dir=config.get("WorkingDir") or "",
        volumes=tuple(config.get("Volumes") or ()),
        exposed_ports=list(config.get("ExposedPorts") or ()),
    )
