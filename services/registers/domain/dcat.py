"""The catalogue of all registers as DCAT-AP 3, as statements that two writers put into words."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.registers.domain import governance, moments

PREFIXES = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_EU = "http://publications.europa.eu/resource/authority"
_PERIODS = {
    "continuous": "CONT",
    "daily": "DAILY",
    "weekly": "WEEKLY",
    "monthly": "MONTHLY",
    "quarterly": "QUARTERLY",
    "annual": "ANNUAL",
    "irregular": "IRREG",
    "never": "NEVER",
}
_LICENCES = {"MIT": "https://spdx.org/licenses/MIT"}
# the last part of the address: EU file type, IANA media type
_DOWNLOADS = {
    "csv": ("CSV", "text/csv"),
    "jsonl": ("JSON", "application/x-ndjson"),
    "geojson": ("GEOJSON", "application/geo+json"),
}
About = Mapping[Any, Any]


@dataclass(frozen=True)
class Name:
    """A resource, by its whole address."""

    address: str


@dataclass(frozen=True)
class Text:
    """A literal: in a language, or of a datatype of ``xsd``."""

    text: str
    language: str = ""
    datatype: str = ""


Statement = tuple[str, str, Name | Text]


def catalogue(
    registers: Sequence[tuple[About, bool]], public_url: str, title: str, publisher: str
) -> list[Statement]:
    """Return every statement about the registers (columns, and whether they have places)."""
    me = f"{public_url}/registers/catalogue"
    agent = f"{me}#publisher"
    found: list[Statement] = [
        (me, "a", _name("dcat", "Catalog")),
        (me, "dct:title", Text(title, "en")),
        (me, "dct:description", Text("Every register that this platform keeps.", "en")),
        (me, "dct:publisher", Name(agent)),
        (me, "foaf:homepage", Name(f"{public_url}/portal")),
        (me, "dct:language", Name(f"{_EU}/language/ENG")),
        *_agent(agent, publisher),
    ]
    for about, places in registers:
        dataset = f"{public_url}/registers/{about['name']}"
        found += [
            (me, "dcat:dataset", Name(f"{dataset}#dataset")),
            (me, "dcat:service", Name(f"{dataset}#service")),
        ]
        found += _dataset(about, dataset, places=places)
    return found


def _dataset(about: About, base: str, *, places: bool) -> Iterable[Statement]:
    me, said = f"{base}#dataset", governance.of(about)
    yield me, "a", _name("dcat", "Dataset")
    yield me, "dct:identifier", Text(about["name"])
    for name in ("title", "description"):
        texts = {language: text for language, text in about[name].items() if text}
        for language, text in (texts or {"en": about["name"]}).items():
            yield me, f"dct:{name}", Text(text, language)
    yield from _agent(f"{base}#publisher", said.get("owner") or said.get("custodian") or "Unknown")
    yield me, "dct:publisher", Name(f"{base}#publisher")
    contact = f"{base}#contact"
    yield me, "dcat:contactPoint", Name(contact)
    yield contact, "a", _name("vcard", "Organization")
    yield contact, "vcard:fn", Text(said.get("custodian") or "Unknown")
    if "@" in said.get("contact", "") and " " not in said["contact"]:
        yield contact, "vcard:hasEmail", Name(f"mailto:{said['contact']}")
    yield me, "dct:accessRights", Name(f"{_EU}/access-right/PUBLIC")
    if period := _PERIODS.get(said.get("update-frequency", "")):
        yield me, "dct:accrualPeriodicity", Name(f"{_EU}/frequency/{period}")
    if basis := said.get("legal-basis"):
        yield me, "dct:provenance", Name(f"{base}#basis")
        yield f"{base}#basis", "a", _name("dct", "ProvenanceStatement")
        yield f"{base}#basis", "rdfs:label", Text(f"Legal basis: {basis}", "en")
    yield me, "dct:issued", Text(moments.write(about["started"]), datatype="dateTime")
    yield me, "dct:modified", Text(moments.write(about["updated"]), datatype="dateTime")
    yield me, "dcat:version", Text(str(about["size"]))
    yield me, "dcat:keyword", Text(about["name"].replace("-", " "), "en")
    yield me, "dct:spatial", Name(f"{_EU}/country/MDV")
    yield me, "dcat:landingPage", Name(base.replace("/registers/", "/portal/registers/"))
    licence = _LICENCES.get(about["licence"], f"{base}#licence")
    if licence not in _LICENCES.values():
        yield licence, "a", _name("dct", "LicenseDocument")
        yield licence, "dct:title", Text(about["licence"] or "Not said", "en")
    for ending, (kind, media) in _DOWNLOADS.items():
        if ending == "geojson" and not places:
            continue
        part = f"{base}#{ending}"
        yield me, "dcat:distribution", Name(part)
        yield part, "a", _name("dcat", "Distribution")
        yield part, "dct:title", Text(f"{about['title'].get('en', about['name'])} ({ending})", "en")
        yield part, "dcat:accessURL", Name(f"{base}/download/{ending}")
        yield part, "dcat:downloadURL", Name(f"{base}/download/{ending}")
        yield part, "dct:format", Name(f"{_EU}/file-type/{kind}")
        yield part, "dcat:mediaType", Name(f"https://www.iana.org/assignments/media-types/{media}")
        yield part, "dct:license", Name(licence)
        yield part, "dcat:accessService", Name(f"{base}#service")
    service = f"{base}#service"
    yield service, "a", _name("dcat", "DataService")
    yield service, "dct:title", Text(f"API of the register {about['name']}", "en")
    yield service, "dcat:endpointURL", Name(base)
    yield service, "dcat:endpointDescription", Name(f"{base}/openapi")
    yield service, "dcat:servesDataset", Name(me)


def _agent(address: str, name: str) -> list[Statement]:
    return [(address, "a", _name("foaf", "Agent")), (address, "foaf:name", Text(name))]


def _name(prefix: str, local: str) -> Name:
    return Name(PREFIXES[prefix] + local)


def turtle(statements: Iterable[Statement]) -> str:
    """Write statements as Turtle."""
    lines = [f"@prefix {prefix}: <{address}> ." for prefix, address in PREFIXES.items()]
    for subject, parts in _by_subject(statements).items():
        told = " ;\n    ".join(f"{verb} {_in_turtle(thing)}" for verb, thing in parts)
        lines += ["", f"<{subject}> {told} ."]
    return "\n".join(lines) + "\n"


def json_ld(statements: Iterable[Statement]) -> str:
    """Write statements as JSON-LD."""
    graph = []
    for subject, parts in _by_subject(statements).items():
        node: dict[str, Any] = {"@id": subject}
        for verb, thing in parts:
            if verb == "a":
                assert isinstance(thing, Name)  # noqa: S101 (a class is a resource)
                node.setdefault("@type", []).append(_short(thing.address))
            else:
                node.setdefault(verb, []).append(_in_json(thing))
        graph.append(node)
    return json.dumps({"@context": PREFIXES, "@graph": graph}, ensure_ascii=False)


def _by_subject(statements: Iterable[Statement]) -> dict[str, list[tuple[str, Name | Text]]]:
    found: dict[str, list[tuple[str, Name | Text]]] = {}
    for subject, verb, thing in statements:
        found.setdefault(subject, []).append((verb, thing))
    return found


def _in_turtle(thing: Name | Text) -> str:
    if isinstance(thing, Name):
        short = _short(thing.address)
        return short if short != thing.address else f"<{thing.address}>"
    # JSON escapes a string as Turtle does, but for characters beyond the first plane
    text = json.dumps(thing.text, ensure_ascii=False)
    if thing.language:
        return f"{text}@{thing.language}"
    return f"{text}^^xsd:{thing.datatype}" if thing.datatype else text


def _in_json(thing: Name | Text) -> dict[str, str]:
    if isinstance(thing, Name):
        return {"@id": thing.address}
    value = {"@value": thing.text}
    if thing.language:
        value["@language"] = thing.language
    if thing.datatype:
        value["@type"] = f"xsd:{thing.datatype}"
    return value


def _short(address: str) -> str:
    for prefix, start in PREFIXES.items():
        local = address.removeprefix(start)
        if local != address and local.isalnum():
            return f"{prefix}:{local}"
    return address
