"""The base of all schemas: strict fields, unknown fields refused, dotted paths in errors."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from marshmallow import RAISE, Schema, ValidationError, fields, missing
from marshmallow.error_store import ErrorStore

from funcsvc.model.errors import MAX_ERRORS, InvalidDefinition, path_below, show

T = TypeVar("T")

ENOUGH_ERRORS = MAX_ERRORS + 1
"""With this many errors, the rest isn't checked: one of them already can't be listed."""

_UNKNOWN = "is unknown"
_NOT_AN_OBJECT = "must be an object"


class Ruled(fields.Field[T]):
    """A field with one rule. A subclass states it, and `parse` raises ValueError if it is broken.

    If that ValueError has a text, the text replaces the rule in the message. `json_schema` is the
    rule as JSON Schema; `answer_schema` is for answers, if they are more limited than requests.
    """

    rule: str
    json_schema: dict[str, Any]
    answer_schema: dict[str, Any] | None = None
    always_shown = False
    """Whether answers show it even when it is empty."""

    default_error_messages = {"required": "is missing, but is required: {rule}."}

    def make_error(self, key: str, **kwargs: object) -> ValidationError:
        return super().make_error(key, rule=self.rule, **kwargs)

    def parse(self, value: Any) -> T:
        """Return the model's value. Raises ValueError or ValidationError."""
        raise NotImplementedError

    def write(self, value: T) -> Any:
        """Return the model's value as an answer shows it."""
        return value

    def read(self, written: Any) -> T:
        """Return the model's value of what `write` returned. It is held to no rule."""
        value: T = written
        return value

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> T:
        try:
            return self.parse(value)
        except ValueError as error:
            raise ValidationError(broken(value, str(error) or self.rule)) from None


def broken(value: Any, rule: str) -> str:
    """Return a predicate that says how a value breaks a rule. It follows the field's path."""
    return f"is {show(value)}, but must be {rule}."


class Given(fields.Field[Any]):
    """A field that the service gives; in a request any value is accepted and dropped.

    `answer_schema` is the JSON Schema of what is given, `write` makes it from the model's value,
    and `read` does the reverse.
    """

    def __init__(
        self,
        answer_schema: dict[str, Any],
        *,
        data_key: str,
        write: Callable[[Any], Any] = str,
        read: Callable[[Any], Any] = str,
        always_shown: bool = False,
    ) -> None:
        super().__init__(data_key=data_key)
        self.answer_schema = answer_schema
        self.write = write
        self.read = read
        self.always_shown = always_shown

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Any:
        return missing


class Always(fields.Nested):
    """A nested schema that is also loaded if its key is absent, to report its required fields."""

    def deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return super().deserialize({} if value is missing else value, *args, **kwargs)


class StrictSchema(Schema):
    """A schema that refuses unknown fields and suggests what they should be called."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": _UNKNOWN, "type": _NOT_AN_OBJECT}
    json_rules: dict[str, Any] = {}
    """The rules for combinations of fields, as JSON Schema."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._fields_by_key = {
            field.data_key or name: (name, field) for name, field in self.load_fields.items()
        }
        self._keys_to_read = {
            key for key, (_, field) in self._fields_by_key.items() if _speaks_when_absent(field)
        }
        self._writers = [
            (key, name, *_writer(field)) for key, (name, field) in self._fields_by_key.items()
        ]
        self._readers = [
            (key, name, _reader(field)) for key, (name, field) in self._fields_by_key.items()
        ]

    def write(self, model: Any) -> dict[str, Any]:
        """Return a model as an answer shows it, with its keys in the order of the fields.

        Empty options are left out unless `always_shown`; those that the model lacks are empty.
        """
        document = {}
        for key, name, write, always_shown in self._writers:
            value = getattr(model, name, None)
            if value or always_shown:
                document[key] = write(value)
        return document

    def read(self, written: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of what `write` returned, by the names of their fields.

        They are held to no rule: what an older version has stored can always be read. Keys that
        aren't fields are left out.
        """
        return {name: read(written[key]) for key, name, read in self._readers if key in written}

    def _deserialize(self, data: Any, *, error_store: ErrorStore, **options: Any) -> Any:
        """Load one object like marshmallow, but skip absent fields that need no attention.

        marshmallow visits every field and makes a closure for each. A definition has few of them,
        so this halves the time that a create spends in its schemas. Unknown fields are counted only
        up to ENOUGH_ERRORS.
        """
        if not isinstance(data, dict):
            return super()._deserialize(data, error_store=error_store, **options)
        partial = options.get("partial")
        to_read = set() if partial else self._keys_to_read
        read: dict[str, Any] = {}
        for key, (name, field) in self._fields_by_key.items():
            if key not in data and key not in to_read:
                continue
            try:
                value = field.deserialize(data.get(key, missing), key, data, partial=partial)
            except ValidationError as error:
                error_store.store_error(error.messages, key)  # type: ignore[no-untyped-call]
                value = error.valid_data or missing
            if value is not missing:
                read[name] = value
        unknown = (key for key in data if key not in self._fields_by_key)
        for key in itertools.islice(unknown, ENOUGH_ERRORS):
            error_store.store_error([_UNKNOWN], key)  # type: ignore[no-untyped-call]
        return read

    def load_strictly(self, document: Mapping[str, Any], *, partial: bool | None = None) -> Any:
        """Return the model of `document`. Raises InvalidDefinition with the wrong fields.

        With `partial`, nothing is required, no defaults are set, and the result is a dict.
        """
        try:
            return self.load(document, partial=partial)
        except ValidationError as error:
            messages = error.normalized_messages()  # type: ignore[no-untyped-call]  # untyped in marshmallow
            field_errors: dict[str, list[str]] = {}
            found = _sentences(messages, self, document, "")
            for path, sentences in itertools.islice(found, ENOUGH_ERRORS):
                field_errors.setdefault(path, []).extend(sentences)
            raise InvalidDefinition(field_errors) from None


def _writer(field: fields.Field[Any]) -> tuple[Callable[[Any], Any], bool]:
    """Return how a field is written, and whether it is written even if it is empty."""
    if isinstance(field, fields.Nested):
        nested: Any = field.schema
        return nested.write, True
    written: Any = field
    return written.write, getattr(field, "always_shown", False)


def _reader(field: fields.Field[Any]) -> Callable[[Any], Any]:
    readable: Any = field.schema if isinstance(field, fields.Nested) else field
    read: Callable[[Any], Any] = readable.read
    return read


def _speaks_when_absent(field: fields.Field[Any]) -> bool:
    """Tell whether a field sets a default or reports an error if it is absent."""
    return field.required or field.load_default is not missing or isinstance(field, Always)


def typed(kind: type, value: Any) -> Any:
    """Return the value if its type is `kind`; a boolean isn't an integer. Raises ValueError."""
    if type(value) is not kind:
        raise ValueError
    return value


def check_items(items: Sequence[Any], parse: Callable[[Any], T], rule: str) -> list[T]:
    """Return the parsed items. Raises ValidationError with the wrong ones by index."""
    return list(_check(enumerate(items), parse, rule).values())


def check_entries(entries: Mapping[str, Any], parse: Callable[[Any], T], rule: str) -> dict[str, T]:
    """Return the parsed values. Raises ValidationError with the wrong ones by key."""
    return _check(entries.items(), parse, rule)


def _check(pairs: Any, parse: Callable[[Any], T], rule: str) -> dict[Any, T]:
    parsed: dict[Any, T] = {}
    errors: dict[Any, Any] = {}
    for key, value in pairs:
        try:
            parsed[key] = parse(value)
        except ValidationError as error:
            errors[key] = error.messages
        except ValueError as error:
            errors[key] = [broken(value, str(error) or rule)]
        if len(errors) >= ENOUGH_ERRORS:
            break
    if errors:
        raise ValidationError(errors)
    return parsed


def _sentences(
    messages: Any, schema: Schema | None, document: Any, path: str
) -> Iterator[tuple[str, list[str]]]:
    """Yield the dotted path of each wrong field, with its sentences, which start with the path."""
    if isinstance(messages, list):
        yield path, [_sentence(path, message, document) for message in messages]
        return
    for key, below in messages.items():
        below_path = path_below(path, key)
        if below == [_UNKNOWN]:
            yield below_path, [_unknown_field(below_path, str(key), schema)]
        elif key == "_schema" and schema:  # marshmallow's key for the object itself
            yield from _sentences(below, schema, document, path)
        else:
            yield from _sentences(below, _nested(schema, key), _below(document, key), below_path)


def _sentence(path: str, message: str, value: Any) -> str:
    if message == _NOT_AN_OBJECT:
        message = broken(value, "an object")
    return f"{path} {message}"


def _unknown_field(path: str, key: str, schema: Schema | None) -> str:
    known = _known(schema)
    near = difflib.get_close_matches(key[:100], known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"the fields are {', '.join(known)}."
    return f"{path} is not a known field: {hint}"


def _known(schema: Schema | None) -> list[str]:
    return [field.data_key or name for name, field in schema.load_fields.items()] if schema else []


def _nested(schema: Schema | None, key: Any) -> Schema | None:
    for name, field in schema.load_fields.items() if schema else ():
        if (field.data_key or name) == key and isinstance(field, fields.Nested):
            nested = field.schema
            return nested if isinstance(nested, Schema) else None
    return None


def _below(document: Any, key: Any) -> Any:
    try:
        return document[key]
    except (KeyError, IndexError, TypeError):
        return None
