"""The registers: the list to search in, and one register as a table with its facets."""

import re
from collections.abc import Sequence
from functools import partial
from urllib.parse import urlencode

from flask import Blueprint, render_template, request

from servicekit import access
from servicekit.pages import language
from servicekit.problems import NotFound
from services.portal import registers_tools as tools
from services.portal.components import components
from services.portal.domain.catalogue import KINDS, Wish, chosen, custodians
from services.portal.panels import Panel, panel
from services.portal.registers_client import Context, Page, Register

pages = Blueprint("registers", __name__)
COLUMNS, FILTERS, VALUES = 9, 8, 8
MAX_CURSOR, MAX_QUERY, ROWS, MEASURED = 200, 200, 100, 20
# addresses under the register's own, and the words for each
FILES = (
    ("download/csv", "download_all_csv"),
    ("download/jsonl", "download_jsonl"),
    ("records.json", "download_json"),
    ("download-rsf", "download_rsf"),
    ("download-register", "download_zip"),
)
PLACES = ("download/geojson", "download_geojson")
PERSONAL_FILES = (("entries.csv?limit=5000", "download_log"),)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")
Pairs = list[tuple[str, str]]


@pages.get("/portal/registers")
@access.public
def list_registers() -> str:
    """List the registers with their sizes, those that fit what is looked for."""
    wish = Wish(
        request.args.get("q", "").strip()[:MAX_QUERY],
        request.args.get("keeper", ""),
        kind if (kind := request.args.get("kind", "")) in KINDS else "",
    )
    found = panel(components().registers.registers)
    shown = chosen(found.value or [], wish)
    return render_template(
        "registers.html",
        registers=found,
        shown=shown,
        scores=_scores(shown),
        wish=wish,
        keepers=custodians(found.value or []),
        kinds=KINDS,
    )


@pages.get("/portal/registers/<register>")
@access.public
def show_register(register: str) -> str:
    """Show a register's records, a page at a time: all, those that a search finds, or as it was."""
    client = components().registers
    context = panel(lambda: client.context(register))
    if context.trouble == "missing":
        raise no_register()
    query = request.args.get("q", "").strip()[:MAX_QUERY]
    filters = [one for one in request.args.getlist("f") if ":" in one][:FILTERS]
    asked: Pairs = ([("q", query)] if query else []) + [("filter", one) for one in filters]
    when = as_it_was()
    records = _records(register, asked, when)
    if records.trouble == "missing":
        raise no_register()
    about = about_register(register)
    is_personal = about is not None and about.personal
    facets = None
    if not when and not is_personal:
        facets = panel(lambda: tools.facets(client, register, [*asked, ("limit", str(VALUES))]))
    return render_template(
        "register.html",
        register=register,
        about=about,
        columns=context.value.fields[:COLUMNS] if context.value else [],
        names={field.id: field for field in context.value.fields} if context.value else {},
        context=context,
        records=records,
        facets=facets.value if facets else None,
        query=query,
        filters=[tuple(one.partition(":")[::2]) for one in filters],
        when=when,
        has_map=has_map(context.value),
        downloads=PERSONAL_FILES if is_personal else _files(context.value),
        quality=None if is_personal else panel(lambda: tools.quality(client, register)).value,
        further=_further(register, records.value),
        is_first=not _cursor(),
        here=_here,
    )


def about_register(register: str) -> Register | None:
    """Return a register's line of the list; nothing when the list cannot be read."""
    found = panel(components().registers.registers).value or []
    return next((one for one in found if one.id == register), None)


def as_it_was() -> dict[str, str]:
    """Return the moment (``at``, a day) or size of the log that the page is about; empty: now."""
    day, size = request.args.get("at", ""), request.args.get("size", "")
    if _SIZE.fullmatch(size):
        return {"log-size": size}
    return {"at": day} if _DAY.fullmatch(day) else {}


def has_map(context: Context | None) -> bool:
    """Tell whether a register's records have a place: coordinates, or an island."""
    fields = context.fields if context else []
    return any(field.format == "point" or field.register == "island" for field in fields)


def no_register() -> NotFound:
    """Return the answer for a register that is not there."""
    return NotFound("There is no such register. The list is at /portal/registers.")


def _files(context: Context | None) -> Sequence[tuple[str, str]]:
    is_place = any(field.format == "point" for field in (context.fields if context else []))
    return (*FILES, PLACES) if is_place else FILES


def _scores(registers: Sequence[Register]) -> dict[str, float | None]:
    """Return how good the data of registers are; none any more once one cannot be told."""
    scores: dict[str, float | None] = {}
    for one in registers[:MEASURED]:
        if one.personal:
            continue
        found = panel(partial(tools.quality, components().registers, one.id)).value
        if found is None:
            break
        scores[one.id] = found.score
    return scores


def _records(register: str, asked: Pairs, when: dict[str, str]) -> Panel[Page]:
    client, cursor = components().registers, _cursor()
    if asked and not when:
        whole = [*asked, *({"limit": str(ROWS)} | cursor).items()]
        return panel(lambda: tools.search(client, register, whole))
    return panel(lambda: client.records(register, {**when, **cursor}))


def _cursor() -> dict[str, str]:
    """Return the query that the page before said leads on."""
    return {
        name.removeprefix("page-"): value
        for name, value in request.args.items()
        if name.startswith("page-") and len(value) <= MAX_CURSOR
    }


def _further(register: str, page: Page | None) -> str | None:
    if page is None or page.next is None:
        return None
    known = {"q", "filter", "log-size", "at"}
    return _here(register, more=[(f"page-{k}", v) for k, v in page.next.items() if k not in known])


def _here(
    register: str,
    *,
    without: tuple[str, str] | None = None,
    more: Sequence[tuple[str, str]] = (),
) -> str:
    """Return the address of this page with one pair of its query less, or with more of them."""
    kept = [
        (name, value)
        for name in ("q", "f", "at", "size")
        for value in request.args.getlist(name)
        if value and (name, value) != without
    ]
    query = [*kept, *more] + ([("lang", language())] if language() != "en" else [])
    path = f"/portal/registers/{register}"
    return f"{path}?{urlencode(query)}" if query else path
