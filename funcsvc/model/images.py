"""Image references, as the Docker Engine reads them.

The grammar is that of the Distribution project's reference package (`reference := name [":" tag]
["@" digest]`), normalised as in the engine: `ubuntu` is `docker.io/library/ubuntu:latest`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

MAX_NAME_LENGTH = 255
DEFAULT_DOMAIN = "docker.io"
LEGACY_DOMAIN = "index.docker.io"

_HOST_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"{_HOST_PART}(?:\.{_HOST_PART})*(?::[0-9]+)?")
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PATH_PART}(?:/{_PATH_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_HEX_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_IMAGE_ID = re.compile(r"[a-f0-9]{64}")

_DIGESTS = "|".join(f"{name}:[a-f0-9]{{{length}}}" for name, length in _HEX_LENGTHS.items())
_HAS_DOMAIN = r"[^/]*[.:][^/]*/|localhost/"
REFERENCE_PATTERN = (
    rf"(?![a-f0-9]{{64}}(?:@|$))(?:(?={_HAS_DOMAIN}){_DOMAIN.pattern}/|(?!{_HAS_DOMAIN}))"
    rf"{_PATH.pattern}(?::{_TAG.pattern})?(?:@(?:{_DIGESTS}))?"
)
"""The grammar as one regular expression, except for the limit on a name's length."""

VERSION_PATTERN = rf"{_TAG.pattern}|{_DIGESTS}"
"""A tag or a digest by itself."""


class InvalidReference(ValueError):
    """Raised when a text isn't an image reference. The message says which rule it breaks."""


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A reference to an image. `text` is what was written; the parts are normalised."""

    text: str
    domain: str
    path: str
    tag: str
    digest: str

    @property
    def name(self) -> str:
        """The full name without tag and digest: `docker.io/library/ubuntu`."""
        return f"{self.domain}/{self.path}"

    @property
    def canonical(self) -> str:
        """The full reference: `docker.io/library/ubuntu:latest`."""
        return self.name + self._suffix

    @property
    def version(self) -> str:
        """What a pull asks for: the digest if there is one, otherwise the tag."""
        return self.digest or self.tag

    @property
    def familiar_name(self) -> str:
        """The name as people write it: `ubuntu`."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        return self.path.removeprefix("library/")

    @property
    def familiar(self) -> str:
        """The full reference as people write it: `ubuntu:latest`."""
        return self.familiar_name + self._suffix

    @property
    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{tag}@{self.digest}" if self.digest else tag


def parse_image_reference(text: str) -> ImageReference:
    """Return the reference in `text`. Raises InvalidReference."""
    rest, digest = _split_digest(text)
    if _IMAGE_ID.fullmatch(rest):
        raise InvalidReference("a name of 64 hexadecimal digits would be taken for an image id")
    name, tag = _split_tag(rest)
    domain, path = _split_domain(name)
    _check_name(domain, path)
    if tag is not None and not _TAG.fullmatch(tag):
        raise InvalidReference(
            "a tag is 1 to 128 letters, digits, '_', '.' and '-', and doesn't start with '.' or '-'"
        )
    return ImageReference(text, domain, path, _default_tag(tag, digest), digest)


def registry_host(address: str) -> str:
    """Return the host of a registry's address, without what could be a password in it."""
    without_scheme = address.rpartition("://")[2]
    host = re.split(r"[/?#]", without_scheme, maxsplit=1)[0].rpartition("@")[2]
    return DEFAULT_DOMAIN if host in ("", LEGACY_DOMAIN) else host


def is_image_id(text: str) -> bool:
    """Tell whether a text could be an image id, or the beginning of one."""
    return bool(re.fullmatch(r"(sha256:)?[a-f0-9]{1,64}", text))


def _default_tag(tag: str | None, digest: str) -> str:
    if tag is not None:
        return tag
    return "" if digest else "latest"


def _split_digest(text: str) -> tuple[str, str]:
    rest, at, digest = text.partition("@")
    if not at:
        return rest, ""
    algorithm, _, value = digest.partition(":")
    length = _HEX_LENGTHS.get(algorithm)
    if length is None:
        raise InvalidReference("a digest starts with 'sha256:', 'sha384:' or 'sha512:'")
    if not re.fullmatch(rf"[a-f0-9]{{{length}}}", value):
        raise InvalidReference(f"a {algorithm} digest is {length} lower-case hexadecimal digits")
    return rest, digest


def _split_tag(text: str) -> tuple[str, str | None]:
    colon = text.rfind(":")
    if colon <= text.rfind("/"):  # no colon, or the one before a registry's port
        return text, None
    return text[:colon], text[colon + 1 :]


def _split_domain(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        domain, path = DEFAULT_DOMAIN, name
    else:
        domain, path = first, rest
    if domain == LEGACY_DOMAIN:
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"library/{path}"
    return domain, path


def _check_name(domain: str, path: str) -> None:
    if len(domain) + 1 + len(path) > MAX_NAME_LENGTH:
        raise InvalidReference(
            f"a full name, with its registry, is at most {MAX_NAME_LENGTH} characters"
        )
    if not _DOMAIN.fullmatch(domain):
        raise InvalidReference("a registry is a host name with an optional port")
    if path != path.lower():
        raise InvalidReference("a repository name is lower case")
    if not _PATH.fullmatch(path):
        raise InvalidReference(
            "a repository name is parts of a-z and 0-9, joined by '.', '_', '__' or '-', "
            "with '/' between parts"
        )


@dataclass(frozen=True, slots=True)
class ImageNames:
    """Under which references an engine knows an image, and its id."""

    id: str
    references: Sequence[ImageReference]

    @classmethod
    def parse(cls, image_id: str, names: Iterable[str]) -> ImageNames:
        """Read the tags and digests of an image. Names that aren't references are left out."""
        references = []
        for name in names:
            with suppress(InvalidReference):
                references.append(parse_image_reference(name))
        return cls(image_id, references)

    def include(self, reference: ImageReference) -> bool:
        """Tell whether a reference means this image, as the engine resolves it.

        It finds a digest under its repository, whatever the tag.
        """
        if reference.digest:
            known = {(one.name, one.digest) for one in self.references}
            return (reference.name, reference.digest) in known
        return any(one.canonical == reference.canonical for one in self.references)


@dataclass(frozen=True, slots=True)
class Image:
    """An image on the engine: its id, what it runs by default, its variables, folders and ports."""

    id: str
    cmd: Sequence[str]
    entrypoint: Sequence[str]
    env: Sequence[str] = ()
    working_dir: str = ""
    volumes: Sequence[str] = ()
    exposed_ports: Sequence[str] = ()

    @property
    def runs_by_itself(self) -> bool:
        """Whether it has a default command."""
        return bool(self.cmd or self.entrypoint)
