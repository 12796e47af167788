"""The decorator that describes a view."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, TypeVar

from funcsvc.web.openapi.parts import Errors, Json

View = TypeVar("View", bound=Callable[..., Any])

_ATTRIBUTE = "operation"


@dataclass(frozen=True)
class operation:  # noqa: N801 - it is used as a decorator, and reads as one
    """The description of a view: a decorator that attaches itself and returns the view unchanged.

    It says only what the application doesn't know, which supplies path, methods, name, tag and the
    answers that all operations have in common. An answer given here replaces a common one.
    """

    summary: str
    _: KW_ONLY
    answers: Mapping[int, Json]
    errors: Errors = field(default_factory=dict)
    description: str = ""
    body: Json | None = None
    query: Sequence[Json] = ()
    path: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Path variables that only this view has, each with a description and an example."""

    def __call__(self, view: View) -> View:
        setattr(view, _ATTRIBUTE, self)
        return view


def operation_of(view: Callable[..., Any]) -> operation | None:
    """Return the description that is attached to a view, if there is one."""
    return getattr(view, _ATTRIBUTE, None)
