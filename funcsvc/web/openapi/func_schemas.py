"""The schemas of funcs in requests and answers, made from the marshmallow schemas."""

from __future__ import annotations

from datetime import UTC, datetime

from funcsvc.model import (
    DEFAULT_SIZE,
    DEFAULT_TIMEOUT_SECONDS,
    SIZES,
    Config,
    Func,
    HostConfig,
    parse_image_reference,
)
from funcsvc.schemas import (
    CHANGEABLE,
    EMPTY,
    ChangesSchema,
    FuncSchema,
    answer_schemas,
    change_schemas,
    func_document,
    request_schemas,
)
from funcsvc.web.openapi.parts import Json


def func_schemas() -> Json:
    """Return the schemas of NewFunc, ChangedFunc, Func, and the objects in them, by name."""
    emptiest = func_document(_emptiest_func())
    return {
        **request_schemas(FuncSchema(), "NewFunc", emptiest),
        **change_schemas(ChangesSchema(), "ChangedFunc", CHANGEABLE, EMPTY),
        **answer_schemas(FuncSchema(), "Func", emptiest),
    }


def _emptiest_func() -> Func:
    return Func(
        name="helloworld",
        size=SIZES[DEFAULT_SIZE],
        timeout_seconds=DEFAULT_TIMEOUT_SECONDS,
        uuid="",
        created=datetime.now(UTC),
        config=Config(image=parse_image_reference("ubuntu")),
        host_config=HostConfig(),
    )
