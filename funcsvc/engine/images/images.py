"""Images on the engine: looked up, and pulled if missing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from threading import BoundedSemaphore
from typing import Any

import docker

from funcsvc.config import Settings
from funcsvc.engine.answer_cache import AnswerCache
from funcsvc.engine.connection import Deadline, EngineConnection
from funcsvc.engine.images.credentials import CredentialsUnavailable, get_credentials
from funcsvc.engine.images.progress import public_progress
from funcsvc.engine.images.pull_locks import pull_lock
from funcsvc.engine.images.registry_words import says_no
from funcsvc.engine.sentences import is_disk_full, without_queries
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
    ImageMissing,
    ImageNotFound,
    PullForbidden,
    RegistryUnavailable,
    TooManyPulls,
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
        """Return the engine's own inspection of an image, by reference or id. Raises ImageMissing.

        A name that is neither isn't sent to the engine, where it would become part of a URL path.
        """
        if not is_image_id(name):
            try:
                parse_image_reference(name)
            except InvalidReference:
                raise ImageMissing(name) from None
        with self._connection.client(Deadline(self._settings.engine_timeout_seconds)) as client:
            try:
                inspection: dict[str, Any] = client.inspect_image(name)
            except docker.errors.APIError as error:
                if error.status_code == 404:
                    raise ImageMissing(name) from error
                raise
        return inspection

    def pull_progress(self, reference: ImageReference) -> Generator[bytes]:
        """Pull an image and yield the engine's own progress as it comes, a JSON object per line.

        An error at the start is raised; a later one is reported in the progress itself.
        """
        if self._settings.pull_policy == "never":
            raise PullForbidden(reference.text)
        if not self._pulls.acquire(blocking=False):
            raise TooManyPulls(self._settings.max_pulls)
        try:
            deadline = Deadline(self._settings.pull_timeout_seconds)
            with self._pulling(reference, deadline) as pull:
                yield from public_progress(pull(decode=False))
        except ImageNotFound as error:
            raise ImageMissing(reference.text) from error
        finally:
            self._pulls.release()

    def _look_up(self, reference: ImageReference) -> Image | None:
        with self._connection.client(Deadline(self._settings.engine_timeout_seconds)) as client:
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
                    raise _pull_error(reference, progress["error"])

    @contextmanager
    def _pulling(
        self, reference: ImageReference, deadline: Deadline
    ) -> Iterator[Callable[..., Iterator[Any]]]:
        """Give a function that starts the pull and returns its progress.

        Raises ImageNotFound or RegistryUnavailable for what the engine reports, for credentials
        that can't be read, and when the deadline passes.
        """
        try:
            with self._connection.client(deadline) as client:
                credentials = get_credentials(reference.domain, deadline)
                try:
                    yield partial(
                        client.pull,
                        reference.name,
                        reference.version,
                        stream=True,
                        auth_config=credentials,
                    )
                except docker.errors.APIError as error:
                    raise _pull_error(reference, str(error.explanation)) from error
        except CredentialsUnavailable as error:
            raise RegistryUnavailable(
                reference.domain, reference.text, f"its credentials can't be read: {error}"
            ) from error
        except EngineUnavailable as error:
            if deadline.is_over():
                raise self._not_in_time(reference) from error
            raise

    def _not_in_time(self, reference: ImageReference) -> RegistryUnavailable:
        return RegistryUnavailable(
            reference.domain,
            reference.text,
            f"it was not pulled within {self._settings.pull_timeout_seconds:g} seconds",
        )


def _pull_error(reference: ImageReference, words: str) -> FuncsvcError:
    _log.warning("pulling %s failed: %s", reference.canonical, without_queries(words))
    if is_disk_full(words):
        return EngineUnavailable("its disk is full")
    if says_no(words, reference):
        registry = reference.domain
        return ImageNotFound(reference.text, f"{registry} doesn't have it, or denies access to it")
    return RegistryUnavailable(reference.domain, reference.text, "it can't be reached, or failed")


def _image(inspection: dict[str, Any]) -> Image:
    config = inspection.get("Config") or {}
    return Image(
        id=inspection["Id"],
        cmd=config.get("Cmd") or (),
        entrypoint=config.get("Entrypoint") or (),
        env=config.get("Env") or (),
    )
