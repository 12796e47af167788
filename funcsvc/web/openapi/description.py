"""How a view is described: by a decorator, beside its route."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, TypeVar

from funcsvc.web.openapi.parts import Errors, Json

View = TypeVar("View", bound=Callable[..., Any])

_ATTRIBUTE = "operation"


@dataclass(frozen=True)
class operation:  # noqa: N801 - it is used as a decorator, and reads as one
    """The description of a view: a decorator that attaches itself, and leaves the view as it is.

    It says what the application doesn't know by itself: path, methods, name, tag and the answers
    that all operations of a kind have are taken from there. An answer given here replaces one of
    those.
    """

    summary: str
    _: KW_ONLY
    answers: Mapping[int, Json]
    errors: Errors = field(default_factory=dict)
    description: str = ""
    body: Json | None = None
    query: Sequence[Json] = ()
    path: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Variables of the path that are this view's own, each with a description and an example."""

    def __call__(self, view: View) -> View:
        setattr(view, _ATTRIBUTE, self)
        return view


def operation_of(view: Callable[..., Any]) -> operation | None:
    """Return the description that is attached to a view."""
    return getattr(view, _ATTRIBUTE, None)
