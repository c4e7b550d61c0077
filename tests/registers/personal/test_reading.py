"""What the log of a personal register shows, and who reads what it does not show."""

import hashlib
import json
from typing import Any

import pytest
from sqlalchemy import select, update

from servicekit.settings import SettingsError
from services.registers.domain import objecthash
from services.registers.domain.commitments import commit
from services.registers.personal.declared import personal_registers
from services.registers.personal.vault import PersonalVault
from services.registers.storage import heads, personal
from services.registers.storage.personal import PersonalRecord, PersonalValue
from tests.registers.conftest import LOG_KEY, settings
from tests.registers.personal.owners import BASE, PEOPLE, VALUES, Owners
from tests.registers.stamps import EMPTY, body, declared

# -- what the log shows


def test_the_log_shows_commitments_and_no_value(owners: Owners) -> None:
    caller = owners.caller
    shown = "".join(
        caller.get(f"{BASE}/{path}").text
        for path in ("records", "entries", "blobs", "context", "records.csv")
    )
    assert caller.json(f"{BASE}/context")["statistics"]["total-entries"] == 2
    for word in ("Aishath", "Zeena", "DEMO-0001", "9607000101", "2019-05", "sub-aishath"):
        assert word not in shown
    blob = caller.json(f"{BASE}/records/{owners.record()['key']}")
    assert set(blob) == {"_id", "vessel-owner", "vessel", "owner", "owner-phone", "since"}
    assert all(objecthash.digest_of(blob[name]) for name in ("vessel", "owner", "since"))


def test_a_commitment_is_the_hash_of_salt_name_and_value(still: Owners) -> None:
    record, log = still.record(), still.caller.json(f"{BASE}/records/{still.record()['key']}")
    salts = set()
    for name, value in record["values"].items():
        told = record["disclosures"][name]
        salt = bytes.fromhex(told["salt"])
        assert len(salt) == 16
        made = hashlib.sha256(salt + name.encode() + value.encode()).digest()
        assert told["commitment"] == log[name] == objecthash.multihash(made)
        salts.add(salt)
    assert len(salts) == 4, "every field has a salt of its own"
    assert commit(b"s" * 16, "n", ["b", "a"]) == hashlib.sha256(b"s" * 16 + b'n["b","a"]').digest()


def test_keys_are_random_and_name_nobody(owners: Owners) -> None:
    made = [
        owners.keep("POST", "personal/records", f"k-{n}", sent={"item": VALUES}).json
        for n in range(2)
    ]
    keys = {one["entry"]["key"] for one in made if one}
    assert len(keys) == 2
    assert all(len(key) == 32 and int(key, 16) >= 0 for key in keys)


@pytest.mark.parametrize(
    "path",
    [
        "v1/register", "v1/records", "v1/entries", "v1/items", "v1/proof/register/merkle:sha-256",
        "v1/checkpoint", "v1", "v1/record/x", "download-rsf", "download-rsf/0", "download-rsf/0/1",
        "download-register", "v1/download-rsf", "v1/tile/0/000",
    ],
)  # fmt: skip
def test_there_is_no_version_1_and_no_rsf(still: Owners, path: str) -> None:
    response = still.caller.get(f"{BASE}/{path}")
    assert response.status_code == 404
    assert response.json["type"].endswith("/personal-register")  # type: ignore[index]


def test_nothing_enters_beside_the_values(still: Owners) -> None:
    caller, role = still.caller, "registers:custodian:vessel-owner"
    headers = caller.token(role=role)
    item = {"vessel-owner": "x", "owner": "1220" + "0" * 64}
    assert caller.append(item, register="vessel-owner", headers=headers).status_code == 404
    lines = body(EMPTY, declared("vessel-owner"))
    for path in ("/registers/load", f"{BASE}/load-rsf"):
        refused = caller.load(lines, path, role=role)
        assert refused.status_code == 404
        assert refused.json["type"].endswith("/personal-register")  # type: ignore[index]
    csv = caller.load(b"vessel-owner,owner\r\nx,y\r\n", f"{BASE}/load-csv", "text/csv", role)
    assert csv.status_code == 404
    assert caller.json(f"{BASE}/context")["statistics"]["total-entries"] == 2


# -- who reads


def test_a_person_reads_their_own_records_and_nobody_elses(owners: Owners) -> None:
    mine = owners.own("GET", "personal/records")
    assert mine.headers["Atoll-Subject"] == "sub-aishath"
    assert mine.headers["Atoll-Categories"] == "vessel-ownership"
    assert mine.headers["Cache-Control"] == "no-store"
    assert [one["values"]["owner"] for one in mine.json["records"]] == ["Aishath Demo"]  # type: ignore[index]
    other = owners.own("GET", "personal/records", by="sub-zeena").json["records"][0]["key"]  # type: ignore[index]
    hidden = owners.own("GET", f"personal/records/{other}")
    nothing = owners.own("GET", "personal/records/nothing")
    assert (hidden.status_code, nothing.status_code) == (404, 404)
    assert hidden.json["detail"] == nothing.json["detail"], "both look alike"  # type: ignore[index]
    for response in (hidden, nothing):
        assert "Atoll-Subject" not in response.headers
        assert "Atoll-Categories" not in response.headers


def test_a_person_without_a_record_has_an_empty_list(still: Owners) -> None:
    empty = still.own("GET", "personal/records", by="sub-nobody")
    assert empty.json == {"records": [], "next": None}
    assert empty.headers["Atoll-Subject"] == "sub-nobody"


def test_another_reader_gets_only_the_person_that_was_asked_about(still: Owners) -> None:
    read = still.ask("GET", "personal/records", consent="consent-1")
    assert [one["values"]["vessel"] for one in read.json["records"]] == ["fishing-vessel:DEMO-0001"]  # type: ignore[index]
    key = still.record()["key"]
    crossed = still.ask("GET", f"personal/records/{key}", about="sub-zeena", consent="consent-1")
    assert crossed.status_code == 404


@pytest.mark.parametrize("without", [{"about": None}, {"purpose": None}])
def test_a_read_without_purpose_or_person_finds_nothing(still: Owners, without: Any) -> None:
    assert still.ask("GET", "personal/records", **without).status_code == 404
    sent = {"field": "vessel", "equals": "x"}
    assert still.ask("POST", "personal/questions", sent=sent, **without).status_code == 404


def test_own_data_is_for_the_person_alone(still: Owners) -> None:
    crossed = still.ask("GET", "personal/records", by="sub-zeena", purpose="own-data")
    assert crossed.status_code == 404
    assert still.ask("GET", "personal/records", purpose="own-data").status_code == 404


def test_a_read_needs_the_scope(still: Owners) -> None:
    assert still.own("GET", "personal/records", scope="registers.read").status_code == 403
    assert still.caller.get(f"{BASE}/personal/records").status_code == 401


def test_only_declared_registers_have_personal_addresses(still: Owners) -> None:
    assert set(personal_registers()) == {"vessel-owner"}
    assert still.own("GET", "/registers/fishing-vessel/personal/records").status_code == 404


# -- questions instead of data


@pytest.mark.parametrize(
    ("field", "equals", "answer"),
    [
        ("vessel", "fishing-vessel:DEMO-0001", True),
        ("vessel", "fishing-vessel:DEMO-0006", False),
        ("since", "2019-05", True),
    ],
)
def test_a_question_is_answered_yes_or_no(
    still: Owners, field: str, equals: str, answer: bool
) -> None:
    told = still.ask("POST", "personal/questions", sent={"field": field, "equals": equals})
    assert told.json["answer"] is answer  # type: ignore[index]
    assert told.headers["Atoll-Categories"] == "vessel-ownership-answers"
    assert "Aishath" not in told.text
    assert set(told.json or {}) == {"register", "field", "answer", "total-entries"}


def test_a_question_about_one_record_is_about_that_persons(still: Owners) -> None:
    key = still.record()["key"]
    sent = {"field": "vessel", "equals": "fishing-vessel:DEMO-0001", "key": key}
    assert still.ask("POST", "personal/questions", sent=sent).json["answer"] is True  # type: ignore[index]
    other = still.ask("POST", "personal/questions", sent=sent, about="sub-zeena")
    assert other.status_code == 404
    nobody = still.ask("POST", "personal/questions", sent=sent | {"key": "x"}, about="sub-nobody")
    assert nobody.status_code == 404


@pytest.mark.parametrize("field", ["owner-phone", "owner", "vessel-owner", "nothing"])
def test_what_could_be_guessed_cannot_be_asked(still: Owners, field: str) -> None:
    told = still.ask("POST", "personal/questions", sent={"field": field, "equals": "+9607000101"})
    assert told.status_code == 422
    assert told.json["errors"][0]["pointer"] == "/field"  # type: ignore[index]


# -- what is kept, and how


def test_values_are_kept_encrypted_and_people_as_digests(owners: Owners) -> None:
    with owners.caller.database.snapshot() as session:
        values = session.scalars(select(PersonalValue.sealed)).all()
        people = session.scalars(select(PersonalRecord.subject)).all()
    assert len(values) == 8
    assert not [one for one in values if b"Aishath" in bytes(one) or b"DEMO" in bytes(one)]
    assert all(one is not None and len(one) == 32 for one in people)
    vault = PersonalVault(LOG_KEY)
    assert vault.person("vessel-owner", "s") != vault.person("other", "s"), "not to be linked"


def test_a_value_changed_behind_the_service_is_not_shown(ours: Owners) -> None:
    record, vault = ours.record(), PersonalVault(LOG_KEY)
    place = ("vessel-owner", record["key"], record["entry-number"], "owner")
    forged = vault.seal(
        {"salt": record["disclosures"]["owner"]["salt"], "value": "Somebody Else"}, *place
    )
    elsewhere = vault.seal({"salt": "00" * 16, "value": "x"}, "vessel-owner", "other", 1, "owner")
    for sealed in (forged, elsewhere):
        with ours.caller.database.transaction() as session:
            session.execute(
                update(PersonalValue)
                .where(PersonalValue.key == record["key"], PersonalValue.field == "owner")
                .values(sealed=sealed)
            )
        read = ours.own("GET", "personal/records")
        assert read.status_code == 503
        assert read.json["type"].endswith("/register-damaged")  # type: ignore[index]


def test_every_start_state_has_the_same_head(owners: Owners, still: Owners) -> None:
    heads = [one.caller.json(f"{BASE}/proofs/register") for one in (owners, still)]
    assert heads[0] == heads[1]


def test_a_start_state_is_for_demonstrations() -> None:
    people = json.dumps({"people": PEOPLE})
    assert settings(start_state=people).people == PEOPLE
    assert settings().people == {}
    faulty: dict[str, dict[str, Any]] = {
        "loopback": {"start_state": people, "public_url": "https://atoll.example"},
        "LOG_KEY": {"start_state": people, "log_key": None},
        "JSON": {"start_state": "[]"},
        "SUBJECT": {"start_state": '{"people": {"aishath": 1}}'},
    }
    for word, given in faulty.items():
        with pytest.raises(SettingsError, match=word):
            settings(**given)


def test_records_come_in_pages(ours: Owners) -> None:
    with ours.caller.database.transaction() as session:
        for number in range(45):
            personal.keep(session, _id(ours), f"key{number:03}", _person("sub-many"), 1)
    first = ours.own("GET", "personal/records", by="sub-many").json
    second = ours.own("GET", f"personal/records?after={first['next']}", by="sub-many").json  # type: ignore[index]
    last = ours.own("GET", f"personal/records?after={second['next']}", by="sub-many").json  # type: ignore[index]
    keys = [one["key"] for page in (first, second, last) for one in page["records"]]  # type: ignore[index]
    assert keys == [f"key{number:03}" for number in range(45)]
    assert last["next"] is None  # type: ignore[index]
    for bad in ("../x", "a b", "x" * 300):
        assert ours.own("GET", f"personal/records?after={bad}").status_code == 400


def _id(owners: Owners) -> int:
    with owners.caller.database.snapshot() as session:
        found = heads.find_register(session, "vessel-owner")
        assert found is not None
        return int(found["id"])


def _person(subject: str) -> bytes:
    return PersonalVault(LOG_KEY).person("vessel-owner", subject)
