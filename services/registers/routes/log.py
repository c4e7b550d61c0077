"""A register as a transparency log: checkpoints, tiles, bundles of entries (C2SP)."""

import hashlib
import json

from flask import Blueprint, Response, current_app, request
from sqlalchemy.orm import Session

from servicekit import merkle
from servicekit.access import public, scope
from servicekit.problems import NotFound, Unavailable
from services.registers import signing
from services.registers.domain import forms, objecthash, tiles
from services.registers.problems import RegisterDamaged
from services.registers.routes import answers, paging
from services.registers.routes.answers import FOREVER, FRESH, JSON
from services.registers.routes.state import clock, database, register_or_404
from services.registers.storage import checkpoints, heads, trees, verifying
from services.registers.storage.trees import Damaged, Tree

blueprint = Blueprint("log", __name__, url_prefix="/registers/<register>")
blueprint.after_request(answers.allow_everyone)

TEXT, BYTES = "text/plain; charset=utf-8", "application/octet-stream"
MAX_HISTORY = 1000


@blueprint.get("/log")
@public
def describe(register: str) -> Response:
    """Say how to follow the register's logs: names, keys, and where checkpoints and tiles are."""
    answers.check_query()
    with database().snapshot() as session:
        found = register_or_404(session, register)
    home = answers.public_path(register)
    trees_of = [
        {
            "version": tree,
            "origin": (signer := _signing().signer(register, tree)).name,
            "vkey": str(signer.verifier),
            "size": found["size"],
            "root-hash": objecthash.multihash(merkle.fold(heads.peaks_of(found, tree))),
            "checkpoint": f"{home}{_part(tree)}/checkpoint",
            "checkpoints": f"{home}{_part(tree)}/checkpoints",
            "tiles": f"{home}{_part(tree)}/tile/",
        }
        for tree in (_TREES["v2"], _TREES["v1"])
    ]
    return answers.answer(json.dumps({"register": register, "trees": trees_of}))


@blueprint.get("/checkpoint", defaults={"version": "v2"})
@blueprint.get("/v1/checkpoint", defaults={"version": "v1"}, endpoint="checkpoint_v1")
@public
def checkpoint(register: str, version: str) -> Response:
    """Give the register's tree head, signed."""
    answers.check_query()
    return answers.answer(current_note(register, _TREES[version]), TEXT, cache=FRESH)


def current_note(register: str, tree: Tree) -> str:
    """Return the checkpoint of the register as it is now, signing it when nobody asked yet."""
    signer = _signing().signer(register, tree)
    with database().snapshot() as session:
        found = register_or_404(session, register)
        note = signing.checkpoint_in_force(session, found, tree)
    if note is None:
        with database().transaction() as session:
            now = int(clock().now().timestamp())
            note = signing.sign(session, register, tree, signer, now)
    return note


@blueprint.get("/checkpoints", defaults={"version": "v2"})
@blueprint.get("/v1/checkpoints", defaults={"version": "v1"}, endpoint="checkpoints_v1")
@public
def history(register: str, version: str) -> Response:
    """List the checkpoints that were given out, smallest first; ``after`` goes on from a size."""
    answers.check_query("after", "limit")
    after = paging.number_of("after", 0)
    limit = max(1, paging.number_of("limit", paging.DEFAULT_LIMIT, MAX_HISTORY))
    tree = _TREES[version]
    with database().snapshot() as session:
        found = register_or_404(session, register)
        kept = checkpoints.after(session, found["id"], tree, after, limit + 1)
    listed = [
        {
            "size": row.size,
            "root-hash": objecthash.multihash(row.root),
            "signed": forms.timestamp(row.signed),
            "note": row.note,
        }
        for row in kept[:limit]
    ]
    response = answers.answer(json.dumps(listed, ensure_ascii=False), JSON)
    if len(kept) > limit:
        path = answers.public_path(register) + f"{_part(tree)}/checkpoints"
        following = f"{path}?after={kept[limit - 1].size}&limit={limit}"
        response.headers.add("Link", f'<{following}>; rel="next"')
    return response


@blueprint.get("/tile/<path:address>", defaults={"version": "v2"})
@blueprint.get("/v1/tile/<path:address>", defaults={"version": "v1"}, endpoint="tile_v1")
@public
def tile(register: str, address: str, version: str) -> Response:
    """Give a tile of hashes or a bundle of entries; what is full never changes."""
    answers.check_query()
    wanted, tree = tiles.read_address(address), _TREES[version]
    with database().snapshot() as session:
        found = register_or_404(session, register)
        if wanted is None or not wanted.is_within(found["size"]):
            raise NotFound("The log has no such tile. Its size is in the checkpoint.")
        data = _read(session, found["id"], tree, wanted)
    response = Response(data, content_type=BYTES)
    response.headers["Cache-Control"] = FOREVER
    response.set_etag(hashlib.sha256(data).hexdigest()[:32])
    response.make_conditional(request)
    return response


@blueprint.get("/verification")
@scope("platform.operate", "registers.read")
def verification(register: str) -> Response:
    """Rebuild the next entries after a number from what is stored; ``after`` goes on from there.

    When all entries are done, the last part looks at the upper tiles, the heads and the counts.
    """
    answers.check_query("after")
    after = paging.number_of("after", 0)
    with database().snapshot() as session:
        found = register_or_404(session, register)
        part = verifying.verify(session, found, after)
    difference = part.difference
    body = {
        "register": register,
        "verified": part.upto,
        "size": part.size,
        "done": part.done,
        "difference": None
        if difference is None
        else {"entry-number": difference.entry, "detail": difference.detail},
    }
    response = Response(json.dumps(body).encode(), content_type=JSON)
    response.headers["Cache-Control"] = "no-store"
    return response


def _read(session: Session, register_id: int, tree: Tree, wanted: tiles.Address) -> bytes:
    try:
        if wanted.level is not None:
            return trees.read_tile(
                session, register_id, tree, wanted.level, wanted.index, wanted.width
            )
        first = wanted.index * tiles.WIDTH + 1
        lines = trees.lines(session, register_id, first, first + wanted.width - 1)
        return tiles.bundle(trees.leaf_input(tree, line) for line in lines)
    except Damaged as damaged:
        raise RegisterDamaged(f"{damaged} The operator must look.") from None


_TREES: dict[str, Tree] = {"v1": "v1", "v2": "v2"}


def vkey(register: str, tree: Tree = "v2") -> str:
    """Return the public key of a register's log in its text form."""
    return str(_signing().signer(register, tree).verifier)


def _part(tree: Tree) -> str:
    return "/v1" if tree == "v1" else ""


def _signing() -> signing.Signing:
    settings = current_app.config["ATOLL_SETTINGS"]
    if settings.log_key is None:
        raise Unavailable("This service has no key to sign with (REGISTERS_LOG_KEY).")
    return signing.Signing.of(settings.log_key, settings.public_url)
