"""What a register's records look like, for machines: JSON Schema, OpenAPI and CSV on the Web."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.registers.domain import keys
from services.registers.domain.items import Field

Document = dict[str, Any]
About = Mapping[Any, Any]  # the columns of a register's table
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DATETIME = r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9]{2}(:[0-9]{2}(:[0-9]{2})?)?Z)?)?)?$"
_DECIMAL = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?$"
_PATTERNS: Mapping[str, Document] = {
    "integer": {"pattern": r"^(0|-?[1-9][0-9]*)$"},
    "name": {"pattern": r"^[a-z][a-z0-9-]*$"},
    "curie": {"pattern": r"^[a-z][a-z0-9-]*:"},
    "datetime": {"pattern": _DATETIME},
    "timestamp": {"format": "date-time"},
    "url": {"format": "uri"},
    "hash": {"pattern": r"^(1220|sha-256:)[0-9a-f]{64}$"},
    "boolean": {"enum": ["true", "false"]},
}
_FORMATS: Mapping[str, Document] = {
    "decimal": {"pattern": _DECIMAL},
    "point": {"pattern": r"^-?[0-9]{1,2}(\.[0-9]+)?,-?[0-9]{1,3}(\.[0-9]+)?$"},
}
_CSV_TYPES: Mapping[str, str] = {
    "integer": "integer",
    "boolean": "boolean",
    "url": "anyURI",
    "timestamp": "dateTimeStamp",
}


def json_schema(about: About, fields: Sequence[Field], key_field: str, address: str) -> Document:
    """Return the JSON Schema (2020-12) of a record as version 2 answers with it."""
    return {
        "$schema": DIALECT,
        "$id": address,
        "title": about["title"].get("en", about["name"]),
        "description": about["description"].get("en", ""),
        **_record(fields, key_field),
    }


def openapi(
    about: About, fields: Sequence[Field], key_field: str, public_url: str, *, places: bool
) -> Document:
    """Return an OpenAPI document of one register alone."""
    name, base = about["name"], f"/registers/{about['name']}"
    title = about["title"].get("en", name)
    record = {"$ref": "#/components/schemas/Record"}
    many = {"type": "array", "items": record}
    one_key = {"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}
    asof = [
        _query("log-size", "As it was when the log had so many entries.", {"type": "integer"}),
        _query("at", "As it was at a moment or day, in UTC.", {"type": "string"}),
    ]
    pages = [
        _query("start", "Where the page begins; follow Link.", {"type": "string"}),
        _query("limit", "How many at most.", {"type": "integer", "minimum": 1, "maximum": 5000}),
    ]
    paths: Document = {
        f"{base}/records": _get("List the records", many, [*pages, *asof], csv=True),
        f"{base}/records/{{key}}": _get("Read one record", record, [one_key, *asof], csv=True),
        f"{base}/records/{{key}}/history": _get("Read a record's life", {"type": "object"},
                                                [one_key]),
        f"{base}/records/{{key}}/links": _get("Follow a record's links", {"type": "object"},
                                              [one_key]),
        f"{base}/entries": _get("List the entries", {"type": "array"}, [*pages, *asof], csv=True),
        f"{base}/search": _get(
            "Find records by words",
            {"type": "object", "properties": {"results": {"type": "array"}}},
            [_query("q", "What to look for.", {"type": "string"})],
        ),
        f"{base}/diff": _get("Compare with an earlier size", {"type": "object"},
                             [_query("from", "", {"type": "integer"}, required=True),
                              _query("to", "", {"type": "integer"})]),
        f"{base}/download/csv": _download("text/csv"),
        f"{base}/download/jsonl": _download("application/x-ndjson"),
    }  # fmt: skip
    if places:
        paths[f"{base}/download/geojson"] = _download("application/geo+json")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": str(about["size"]),
            "summary": about["description"].get("en", "") or title,
            "description": f"One register, with its present fields. {about['source']}",
        },
        "servers": [{"url": public_url}],
        "paths": paths,
        "components": {"schemas": {"Record": {"title": title, **_record(fields, key_field)}}},
    }


def csv_metadata(
    about: About, fields: Sequence[Field], key_field: str, csv: str, curies: str
) -> Document:
    """Return the metadata of a register's CSV (CSV on the Web, W3C 2015).

    curies: the address that leads from a curie to its record.
    """
    columns = []
    for field in fields:
        name = _variable(field.id)
        column: Document = {
            "name": name,
            "titles": field.id,
            "datatype": "decimal"
            if field.format == "decimal"
            else _CSV_TYPES.get(field.datatype, "string"),
            "required": field.id == key_field,
        }
        words = (field.description or {}).get("en") or (field.title or {}).get("en")
        if words:
            column["dc:description"] = words
        if field.cardinality == "n":
            column["separator"] = ";"
        elif field.datatype == "curie":  # a template would join the values of a list
            column["valueUrl"] = f"{curies}/{{{name}}}"
        columns.append(column)
    return {
        "@context": ["http://www.w3.org/ns/csvw", {"@language": "en"}],
        "url": csv,
        "dc:title": about["title"].get("en", about["name"]),
        "dc:description": about["description"].get("en", ""),
        "dc:publisher": about["custodian"],
        "dc:rights": about["licence"],
        "dialect": {"encoding": "utf-8", "header": True, "lineTerminators": ["\r\n"]},
        "tableSchema": {"columns": columns, "primaryKey": _variable(key_field)},
    }


def _record(fields: Sequence[Field], key_field: str) -> Document:
    properties: Document = {"_id": {"type": "string", "description": "The key of the record."}}
    properties |= {field.id: _property(field) for field in fields}
    return {
        "type": "object",
        "properties": properties,
        "required": ["_id", key_field],
        "additionalProperties": False,
    }


def _property(field: Field) -> Document:
    one: Document = {"type": "string", "minLength": 1, **_PATTERNS.get(field.datatype, {})}
    if field.format:
        one |= _FORMATS[field.format]
    if field.datatype == "curie" and field.register:
        one["pattern"] = f"^{field.register}:"
    document = one
    if field.cardinality == "n":
        document = {"type": "array", "items": one, "uniqueItems": True, "minItems": 1}
    title, description = field.title or {}, field.description or {}
    if title.get("en"):
        document = {"title": title["en"], **document}
    if description.get("en"):
        document = {**document, "description": description["en"]}
    return document


def _get(
    summary: str, schema: Document, parameters: Sequence[Document], *, csv: bool = False
) -> Document:
    content: Document = {"application/json": {"schema": schema}}
    if csv:
        content["text/csv"] = {"schema": {"type": "string"}}
    return {
        "get": {
            "summary": summary,
            "parameters": list(parameters),
            "responses": {
                "200": {"description": "What there is.", "content": content},
                "404": {"description": "There is no such record."},
            },
        }
    }


def _download(kind: str) -> Document:
    return {
        "get": {
            "summary": f"Download every record as {kind}",
            "responses": {
                "200": {
                    "description": "The whole register.",
                    "content": {kind: {"schema": {"type": "string"}}},
                }
            },
        }
    }


def _query(name: str, words: str, schema: Document, *, required: bool = False) -> Document:
    found: Document = {"name": name, "in": "query", "schema": schema, "required": required}
    return found | ({"description": words} if words else {})


def _variable(name: str) -> str:
    assert keys.is_name(name)  # noqa: S101 (fields are called so)
    return name.replace("-", "_")  # a name in a URI template (RFC 6570) has no hyphen
