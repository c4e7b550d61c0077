"""What can be done with a whole register: a map, comparing two sizes, checking every entry."""

from typing import Any

from flask import Blueprint, render_template, request

from servicekit import access
from servicekit.pages import text
from services.portal import registers_tools as tools
from services.portal.browser import check_form
from services.portal.components import components
from services.portal.domain import map_picture
from services.portal.maps import Atlas, read_atlas
from services.portal.panels import panel
from services.portal.registers_client import Context
from services.portal.routes.registers import about_register, has_map, no_register
from services.portal.telling import say

pages = Blueprint("register_tools", __name__)
_MAX_NUMBER, _MAX_KEY = 18, 200


@pages.get("/portal/registers/<register>/map")
@access.public
def show_map(register: str) -> str:
    """Show where a register's records are, all of them or those of one atoll."""
    context = _context(register)
    if context.fields and not has_map(context):
        raise no_register()
    group, key = request.args.get("atoll", "")[:_MAX_KEY], request.args.get("show", "")[:_MAX_KEY]
    found = panel(lambda: read_atlas(components().registers, register, context, say))
    atlas = found.value
    group = group if atlas and group in atlas.land else ""
    return render_template(
        "register_map.html",
        register=register,
        about=about_register(register),
        found=found,
        atlas=atlas,
        group=group,
        shown=atlas.marks_of(group, key) if atlas else [],
        chosen=key,
        picture=_picture(register, atlas, group, key) if atlas else "",
    )


def _picture(register: str, atlas: Atlas, group: str, key: str) -> str:
    marks = atlas.marks_of(group, key)
    name = say(about.title) if (about := about_register(register)) else register
    if group:
        title = text("map_of_atoll", name=name, atoll=atlas.names[group], count=len(marks))
    else:
        title = text("map_of_all", name=name, count=len(marks), atolls=len(atlas.land))
    return map_picture.draw(marks, atlas.land, str(title), names=atlas.codes, closely=bool(group))


@pages.get("/portal/registers/<register>/compare")
@access.public
def compare(register: str) -> str:
    """Show what changed in a register between two sizes of its log."""
    context = _context(register)
    size = context.size
    old = _number("from", min(size, max(0, size - 10)), size)
    new = _number("to", size, size)
    old, new = min(old, new), max(old, new)
    query = {"from": str(old), "to": str(new), "limit": "50"}
    if start := request.args.get("start", "")[:_MAX_KEY]:
        query["start"] = start
    return render_template(
        "register_compare.html",
        register=register,
        about=about_register(register),
        names={field.id: field for field in context.fields},
        size=size,
        old=old,
        new=new,
        found=panel(lambda: tools.compare(components().registers, register, query)),
    )


@pages.route("/portal/registers/<register>/check", methods=["GET", "POST"])
@access.public
def check(register: str) -> str:
    """Explain how a register is verified, and verify it from its entries when that is asked."""
    _context(register)
    found = None
    if request.method == "POST":
        check_form()
        found = panel(lambda: tools.verify(components().corridor, register))
    return render_template(
        "register_check.html",
        register=register,
        about=about_register(register),
        found=found,
        key=_key_of(register, found.value.entry) if found and found.value else "",
        is_demonstration=components().settings.start_state is not None,
        public_url=components().settings.public_url,
    )


def _key_of(register: str, number: int | None) -> str:
    """Return the key of an entry, so that the page can lead to its record."""
    if number is None:
        return ""
    answer = panel(
        lambda: components().registers.answer(f"/registers/{register}/entries/{number}").json()
    )
    entry: Any = answer.value
    return str(entry.get("key", "")) if isinstance(entry, dict) else ""


def _context(register: str) -> Context:
    found = panel(lambda: components().registers.context(register))
    if found.trouble == "missing":
        raise no_register()
    return found.value or Context([], "", "", "")


def _number(name: str, otherwise: int, most: int) -> int:
    given = request.args.get(name, "")
    if not (given.isascii() and given.isdecimal() and len(given) <= _MAX_NUMBER):
        return otherwise
    return min(int(given), most)
