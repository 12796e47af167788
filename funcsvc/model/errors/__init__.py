"""The errors of funcsvc, independent of HTTP: a few kinds, each with its concrete errors.

Every message is a full sentence for the client: it names the field, the value and the rule, and
never reveals internals.
"""

from funcsvc.model.errors.calls import (
    CallNotFound,
    EnvironmentTooLarge,
    OutputRotated,
    TooManyPending,
    TooManyWaits,
)
from funcsvc.model.errors.failures import (
    CallFailed,
    CallTimedOut,
    CommandNotRun,
    ExitedBadly,
    ImageGone,
    Killed,
    NotStarted,
    OutOfMemory,
    OutputTooLarge,
    ResultLost,
)
from funcsvc.model.errors.funcs import (
    FuncBusy,
    FuncExists,
    FuncNotFound,
    InvalidDefinition,
    NoCommand,
    SizeTooLarge,
)
from funcsvc.model.errors.images import (
    ImageMissing,
    ImageNotFound,
    PullForbidden,
    RegistryUnavailable,
    TooManyPulls,
)
from funcsvc.model.errors.kinds import (
    Busy,
    Conflict,
    FieldErrors,
    FuncsvcError,
    Gone,
    InvalidParameter,
    Limited,
    NotFound,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from funcsvc.model.errors.requests import (
    BodyNotReceived,
    BodyTooLarge,
    InvalidQuery,
    MalformedBody,
    TooManyAttempts,
    UnknownOption,
    UnsupportedContentType,
    WrongHost,
    WrongOrigin,
)
from funcsvc.model.errors.services import EngineUnavailable, StoreUnavailable
from funcsvc.model.errors.wording import path_below, show

__all__ = [
    "BodyNotReceived",
    "BodyTooLarge",
    "Busy",
    "CallFailed",
    "CallNotFound",
    "CallTimedOut",
    "CommandNotRun",
    "Conflict",
    "EngineUnavailable",
    "EnvironmentTooLarge",
    "ExitedBadly",
    "FieldErrors",
    "FuncBusy",
    "FuncExists",
    "FuncNotFound",
    "FuncsvcError",
    "Gone",
    "ImageGone",
    "ImageMissing",
    "ImageNotFound",
    "InvalidDefinition",
    "InvalidParameter",
    "InvalidQuery",
    "Killed",
    "Limited",
    "MalformedBody",
    "NoCommand",
    "NotFound",
    "NotStarted",
    "OutOfMemory",
    "OutputRotated",
    "OutputTooLarge",
    "PullForbidden",
    "RegistryUnavailable",
    "ResultLost",
    "SizeTooLarge",
    "StoreUnavailable",
    "TooLarge",
    "TooManyAttempts",
    "TooManyPending",
    "TooManyPulls",
    "TooManyWaits",
    "Unauthorized",
    "Unavailable",
    "UnknownOption",
    "UnsupportedContentType",
    "WrongHost",
    "WrongOrigin",
    "path_below",
    "show",
]
