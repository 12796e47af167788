"""The operator's registry credentials, read as the docker CLI reads them, within a deadline.

docker-py would read them itself during a pull, but would wait for a credential helper forever.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

import docker
from docker.auth import AuthConfig
from docker.credentials import Store

from funcsvc.engine.connection import CONFIG_FILE_ERRORS, Deadline


class CredentialsUnavailable(Exception):
    """Raised when the config file or a credential helper can't be used. Its text says which."""


def get_credentials(domain: str, deadline: Deadline) -> dict[str, str]:
    """Return the credentials for a registry, or an empty dict if there are none.

    They are read each time, so that a login takes effect with the next pull.
    """
    try:
        config = _DeadlineAuthConfig.load_config(None, None)
        config.deadline = deadline
        return config.resolve_authconfig(domain) or {}
    except (*CONFIG_FILE_ERRORS, docker.errors.DockerException) as error:
        raise CredentialsUnavailable("the Docker config file is not valid") from error


class _DeadlineAuthConfig(AuthConfig):
    deadline: Deadline

    def _get_store_instance(self, name: str) -> Store:
        return _DeadlineStore(name, self.deadline)


class _DeadlineStore(Store):
    def __init__(self, name: str, deadline: Deadline) -> None:
        super().__init__(name)
        self._deadline = deadline

    def get(self, server: Any) -> Any:
        try:
            return super().get(server)
        except docker.credentials.CredentialsNotFound:
            raise
        except (docker.credentials.StoreError, json.JSONDecodeError, KeyError, OSError) as error:
            raise CredentialsUnavailable(f"{self.program} failed") from error

    def _execute(self, subcmd: str, data_input: Any) -> bytes:
        if self.exe is None:
            raise CredentialsUnavailable(f"{self.program} is not there")
        try:
            done = subprocess.run(  # noqa: S603  # the operator names it in the config file
                [self.exe, subcmd],
                input=data_input,
                stdout=subprocess.PIPE,
                timeout=self._deadline.remaining_seconds(),
                check=True,
            )
        except subprocess.TimeoutExpired as error:
            raise CredentialsUnavailable(f"{self.program} did not answer in time") from error
        except subprocess.CalledProcessError as error:
            raise docker.credentials.errors.process_store_error(error, self.program) from error
        return bytes(done.stdout)
