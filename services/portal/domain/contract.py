"""An API's operations read from its OpenAPI document, each with a curl to paste."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Operation:
    """One operation. ``scopes``: what its token needs; None means that no token is needed."""

    method: str
    path: str
    summary: str
    description: str
    scopes: tuple[str, ...] | None
    parameters: tuple[tuple[str, str, str], ...]  # name, where, what it is
    answers: tuple[tuple[str, str], ...]
    curl: str


def operations(document: Mapping[str, Any], public_url: str) -> list[Operation]:
    """Return the operations in the document's order; parts of an unexpected kind are skipped."""
    return list(_operations(document, public_url))


def _operations(document: Mapping[str, Any], public_url: str) -> Iterator[Operation]:
    for path, item in _object(document.get("paths")).items():
        shared = _objects(_object(item).get("parameters"))
        for method in METHODS:
            operation = _object(item).get(method)
            if not isinstance(operation, dict):
                continue
            parameters = [
                _resolve(document, p) for p in shared + _objects(operation.get("parameters"))
            ]
            scopes = _scopes(operation.get("security", document.get("security")))
            yield Operation(
                method=method.upper(),
                path=str(path),
                summary=str(operation.get("summary", "")),
                description=str(operation.get("description", "")),
                scopes=scopes,
                parameters=tuple(
                    (str(p.get("name", "")), str(p.get("in", "")), str(p.get("description", "")))
                    for p in parameters
                ),
                answers=tuple(
                    (str(status), str(_resolve(document, _object(a)).get("description", "")))
                    for status, a in _object(operation.get("responses")).items()
                ),
                curl=_curl(method.upper(), str(path), parameters, scopes, operation, public_url),
            )


def _scopes(security: Any) -> tuple[str, ...] | None:
    wanted = _objects(security)
    if not wanted or any(not one for one in wanted):
        return None
    return tuple(str(scope) for one in wanted for scopes in one.values() for scope in _list(scopes))


def _curl(
    method: str,
    path: str,
    parameters: list[Mapping[str, Any]],
    scopes: tuple[str, ...] | None,
    operation: Mapping[str, Any],
    public_url: str,
) -> str:
    headers = []
    for parameter in parameters:
        name, example = str(parameter.get("name", "")), _example(parameter)
        if parameter.get("in") == "path" and example is not None:
            path = path.replace("{" + name + "}", example)
        if parameter.get("in") == "header" and parameter.get("required"):
            headers.append(f"{name}: {example or 'VALUE'}")
    words = ["curl"] + ([] if method == "GET" else ["-X", method])
    words.append(shlex.quote(public_url + path))
    if scopes is not None:
        words += ["-H", '"Authorization: Bearer $TOKEN"']
    for header in headers:
        words += ["-H", shlex.quote(header)]
    if "application/json" in _object(_object(operation.get("requestBody")).get("content")):
        words += ["--json", "@body.json"]
    return " ".join(words)


def _example(parameter: Mapping[str, Any]) -> str | None:
    for holder in (parameter, _object(parameter.get("schema"))):
        if "example" in holder:
            return str(holder["example"])
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
