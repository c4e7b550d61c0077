"""Whole registers as files: the log and its parts as RSF, version 1's archive."""

import io
import json
import zipfile

import pytest

from services.registers.domain import canonical
from tests.registers.conftest import Caller
from tests.registers.stamps import body, stamp


def test_a_part_of_the_log_follows_the_part_before(stamps: Caller) -> None:
    assert stamps.load(body(stamp("3"), stamp("1", "Red")), "/registers/stamp/load-rsf").json
    whole = stamps.get("/registers/stamp/download-rsf")
    assert whole.headers["Content-Disposition"].startswith("attachment; filename=rsf-")
    start = stamps.get("/registers/stamp/download-rsf/0/2").data
    rest = stamps.get("/registers/stamp/download-rsf/2").data
    assert rest == stamps.get("/registers/stamp/v1/download-rsf/2/4").data
    assert stamps.load(start, "/registers/load?register=copied").status_code == 201
    assert stamps.load(rest, "/registers/copied/load-rsf").status_code == 200
    assert stamps.get("/registers/copied/download-rsf").data == whole.data
    assert stamps.get("/registers/stamp/download-rsf/0").data == whole.data
    same = stamps.get("/registers/stamp/download-rsf/4/4").data.decode().splitlines()
    assert same == whole.data.decode().splitlines()[-1:]
    assert b"\tsystem\t" not in rest
    fixed = stamps.get("/registers/stamp/download-rsf/2/4").headers
    assert fixed["Cache-Control"] == "public, max-age=31536000, immutable"
    unchanged = stamps.get(
        "/registers/stamp/download-rsf", {"If-None-Match": whole.headers["ETag"]}
    )
    assert unchanged.status_code == 304


@pytest.mark.parametrize("part", ["3", "2/1", "0/3", "-1", "x", "1/x", "1.5", "9" * 30])
def test_a_part_that_is_not_there_is_refused(stamps: Caller, part: str) -> None:
    assert stamps.get(f"/registers/stamp/download-rsf/{part}").status_code == 400


def test_the_archive_holds_a_file_for_each_item_and_entry(stamps: Caller) -> None:
    response = stamps.get("/registers/stamp/v1/download-register")
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert ".zip" in response.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(response.data)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        entry = json.loads(archive.read("stamp/entry/2.json"))
        proof = json.loads(archive.read("stamp/proof.json"))
        about = json.loads(archive.read("stamp/register.json"))
        digest = entry["item-hash"][0].removeprefix("sha-256:")
        assert (
            canonical.item_hash(archive.read(f"stamp/item/{digest}.json").decode()).hex() == digest
        )
    assert len([name for name in names if "/item/" in name]) == 2
    assert len([name for name in names if "/entry/" in name]) == 2
    assert entry == stamps.json("/registers/stamp/v1/entries/2")[0]
    assert proof == stamps.json("/registers/stamp/v1/proof/register/merkle:sha-256")
    assert about == stamps.json("/registers/stamp/v1/register")
    assert stamps.get("/registers/stamp/download-register").data == response.data
