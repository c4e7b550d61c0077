"""An API's operations read from its OpenAPI document, each with what a call of it needs."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

METHODS = ("get", "post", "put", "patch", "delete")
_DEEPEST = 6  # of an example that is made from a schema
# what a form may not set: the door and the try-it page write these themselves
_OWN_HEADERS = {"authorization", "cookie", "host", "content-length", "traceparent"}


@dataclass(frozen=True)
class Parameter:
    """One parameter of an operation; ``where``: path, query or header."""

    name: str
    where: str
    description: str
    example: str | None
    required: bool


@dataclass(frozen=True)
class Operation:
    """One operation. ``scopes``: what its token needs; None means that no token is needed.

    body_type, body: the media type of the request body and an example of it, if it takes one.
    """

    id: str
    method: str
    path: str
    summary: str
    description: str
    scopes: tuple[str, ...] | None
    parameters: tuple[Parameter, ...]
    answers: tuple[tuple[str, str], ...]
    body_type: str | None
    body: str

    def filled(self, values: Mapping[str, str]) -> "Call":
        """Return the call that these values make; an empty value is left out.

        The path is the declared one with each value as one escaped part, so that no value can
        lead to another operation. Raises KeyError with the name of a path parameter without value.
        """
        path, query, headers = self.path, {}, {}
        for parameter in self.parameters:
            value = values.get(f"{parameter.where}.{parameter.name}", "").strip()
            if parameter.where == "path":
                if value in ("", ".", ".."):
                    raise KeyError(parameter.name)
                path = path.replace("{" + parameter.name + "}", quote(value, safe=""))
            elif value and parameter.where == "query":
                query[parameter.name] = value
            elif value and parameter.where == "header" and _is_sent(parameter.name, value):
                headers[parameter.name] = value
        body = values.get("body", "") if self.body_type else ""
        if body and self.body_type:
            headers["Content-Type"] = self.body_type
        return Call(self.method, path + ("?" + urlencode(query) if query else ""), headers, body)

    def examples(self) -> dict[str, str]:
        """Return the values that a form begins with: examples of what must be sent."""
        begins = {
            f"{parameter.where}.{parameter.name}": parameter.example
            for parameter in self.parameters
            if parameter.example is not None and (parameter.required or parameter.where == "path")
        }
        return begins | ({"body": self.body} if self.body_type else {})


@dataclass(frozen=True)
class Call:
    """A request as it is sent: ``target`` is path and query."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: str


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """Return the operations in the document's order; parts of an unexpected kind are skipped."""
    return list(_operations(document))


def _operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    for path, item in _object(document.get("paths")).items():
        shared = _objects(_object(item).get("parameters"))
        for method in METHODS:
            operation = _object(item).get(method)
            if not isinstance(operation, dict):
                continue
            parameters = [
                _resolve(document, p) for p in shared + _objects(operation.get("parameters"))
            ]
            body_type, body = _body(document, operation)
            yield Operation(
                id=re.sub(
                    r"[^A-Za-z0-9]+", "-", str(operation.get("operationId") or method + path)
                ),
                method=method.upper(),
                path=str(path),
                summary=str(operation.get("summary", "")),
                description=str(operation.get("description", "")),
                scopes=_scopes(operation.get("security", document.get("security"))),
                parameters=tuple(_parameter(document, p) for p in parameters),
                answers=tuple(
                    (str(status), str(_resolve(document, _object(a)).get("description", "")))
                    for status, a in _object(operation.get("responses")).items()
                ),
                body_type=body_type,
                body=body,
            )


def _is_sent(header: str, value: str) -> bool:
    return header.lower() not in _OWN_HEADERS and value.isascii() and value.isprintable()


def _parameter(document: Mapping[str, Any], given: Mapping[str, Any]) -> Parameter:
    example = _example(given)
    if example is None:
        schema = _resolve(document, _object(given.get("schema")))
        example = _example(schema)
    return Parameter(
        name=str(given.get("name", "")),
        where=str(given.get("in", "")),
        description=str(given.get("description", "")),
        example=example,
        required=bool(given.get("required")),
    )


def _scopes(security: Any) -> tuple[str, ...] | None:
    wanted = _objects(security)
    if not wanted or any(not one for one in wanted):
        return None
    return tuple(str(scope) for one in wanted for scopes in one.values() for scope in _list(scopes))


def _body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> tuple[str | None, str]:
    content = _object(_resolve(document, _object(operation.get("requestBody"))).get("content"))
    for media_type in ("application/json", *content):
        if media_type not in content:
            continue
        media = _object(content[media_type])
        named = [_resolve(document, one) for one in _object(media.get("examples")).values()]
        value = media.get("example", named[0].get("value") if named else None)
        if value is None:
            value = _made(document, _object(media.get("schema")), _DEEPEST)
        if isinstance(value, str):
            return media_type, value
        if media_type == "application/x-www-form-urlencoded" and isinstance(value, dict):
            return media_type, urlencode(value)
        return media_type, json.dumps(value, indent=2, ensure_ascii=False)
    return None, ""


def _made(document: Mapping[str, Any], schema: Mapping[str, Any], deep: int) -> Any:
    """Make an example from a schema: its own example, else what must be there, by its type."""
    schema = _resolve(document, schema)
    for key in ("example", "default", "const"):
        if key in schema:
            return schema[key]
    if first := _list(schema.get("examples")) or _list(schema.get("enum")):
        return first[0]
    for key in ("oneOf", "anyOf", "allOf"):
        if choices := _objects(schema.get(key)):
            return _made(document, choices[0], deep - 1) if deep else None
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" and deep:
        properties = _object(schema.get("properties"))
        wanted = [str(name) for name in _list(schema.get("required"))] or list(properties)
        return {
            name: _made(document, _object(properties.get(name)), deep - 1)
            for name in wanted
            if name in properties
        }
    if kind == "array" and deep:
        return [_made(document, _object(schema.get("items")), deep - 1)]
    return {"string": "", "integer": 0, "number": 0, "boolean": False, "object": {}}.get(str(kind))


def _example(holder: Mapping[str, Any]) -> str | None:
    for one in (holder, _object(holder.get("schema"))):
        if "example" in one:
            return str(one["example"])
        if "default" in one and one is not holder:
            return str(one["default"])
    return None


def _resolve(document: Mapping[str, Any], value: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = value.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return value
    found: Any = document
    for part in reference[2:].split("/"):
        found = _object(found).get(part.replace("~1", "/").replace("~0", "~"))
    return _object(found)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in _list(value) if isinstance(one, dict)]
