import base64
import hashlib
import hmac
import json
import re
import stat
from pathlib import Path

import pytest

from atoll import setup, start_state
from atoll.components import DATABASES, SERVICES
from atoll.exits import Stop
from atoll.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    place = Home(tmp_path / "home")
    place.prepare()
    return place


def everything(place: Home) -> dict[str, bytes]:
    return {str(f): f.read_bytes() for f in place.secrets.rglob("*") if f.is_file()}


def read(place: Home, *parts: str) -> str:
    return place.secrets.joinpath(*parts).read_text(encoding="utf-8")


def test_only_the_owner_can_read_anything(home: Home) -> None:
    setup.run(home)
    for path in [home.folder, *home.folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_second_setup_changes_nothing(home: Home) -> None:
    assert setup.run(home)
    before = everything(home)
    assert not setup.run(home)
    assert everything(home) == before


def test_setup_that_was_cut_short_is_finished_by_the_next(home: Home) -> None:
    setup.run(home)
    (home.secrets / "operator" / setup.COMPLETE).unlink()
    (home.secrets / "portal" / "form-key").unlink()
    assert setup.run(home)
    assert (home.secrets / "portal" / "form-key").is_file()


def test_a_platform_made_by_an_earlier_version_gets_the_later_keys(home: Home) -> None:
    setup.run(home)
    before = everything(home)
    (home.secrets / "registers" / "log-key").unlink()
    assert not setup.is_done(home)
    assert setup.run(home)
    after = everything(home)
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {str(home.secrets / "registers" / "log-key")}
    assert setup.is_done(home)


def test_databases_without_their_keys_are_never_given_new_ones(home: Home) -> None:
    (home.data / "identity.db").write_bytes(b"")
    with pytest.raises(Stop, match="not all of their keys"):
        setup.run(home)


def test_two_platforms_share_no_secret(tmp_path: Path) -> None:
    contents, name_of_test = [], tmp_path.name.encode()  # it stands in the databases' addresses
    for name in ("one", "two"):
        place = Home(tmp_path / name)
        place.prepare()
        setup.run(place)
        contents.append(
            {
                word
                for text in everything(place).values()
                for word in re.findall(rb"[A-Za-z0-9_-]{12,}", text.replace(name_of_test, b""))
                if not word.isalpha() and b"fisheries" not in word
            }
        )
    common = contents[0] & contents[1]
    assert not {word for word in common if any(c in b"0123456789" for c in word)}


def test_each_service_gets_its_own_key_and_the_gateway_all(home: Home) -> None:
    setup.run(home)
    keys = json.loads(read(home, "gateway", "service-keys"))
    assert set(keys) == set(SERVICES)
    assert len(set(keys.values())) == len(SERVICES)
    for name in SERVICES:
        assert read(home, name, "gateway-key") == keys[name]
        assert re.fullmatch("[0-9a-f]{64}", keys[name])


def test_each_service_has_a_database_of_its_own(home: Home) -> None:
    setup.run(home)
    urls = {name: read(home, name, "database-url") for name in DATABASES}
    assert len(set(urls.values())) == len(DATABASES)
    assert urls["notify"] == f"sqlite:///{home.data / 'notify.db'}"


def test_ids_agree_between_the_services(home: Home) -> None:
    setup.run(home)
    identity = json.loads(read(home, "identity", "start-state"))
    notify = json.loads(read(home, "notify", "start-state"))
    portal = json.loads(read(home, "portal", "start-state"))
    operator = json.loads(read(home, "operator", "credentials.json"))
    assert set(identity["people"]) == set(notify["people"]) == set(start_state.PEOPLE)
    for username, person in identity["people"].items():
        assert notify["people"][username] == person["sub"]
        assert re.fullmatch(r"[A-Za-z0-9_-]{22}", person["sub"])
    secrets = {each["client_id"]: each["client_secret"] for each in operator["clients"]}
    assert secrets == {
        name: client["client_secret"] for name, client in identity["clients"].items()
    }
    assert read(home, "portal", "client-secret") == secrets["portal"]
    fisheries = portal["demonstration"]["fisheries"]
    assert [each["client_id"] for each in fisheries["clients"]] == ["fisheries"]
    live = fisheries["notify"]["api_keys"]["live"]
    service = notify["services"]["fisheries"]
    assert live[-73:-37] == service["service_id"]
    assert live[-36:] == service["api_keys"]["live"]["secret"]


def test_portal_is_not_given_the_operators_secret(home: Home) -> None:
    setup.run(home)
    operator = json.loads(read(home, "operator", "credentials.json"))
    secret = next(c["client_secret"] for c in operator["clients"] if c["client_id"] == "operator")
    for name in ("portal", "notify", "registers", "gateway"):
        for file in (home.secrets / name).iterdir():
            assert secret not in file.read_text(encoding="utf-8")


def test_credentials_carry_the_running_address() -> None:
    shown = start_state.addressed(
        {"clients": [{"redirect_uris": ["/portal/callback"]}]}, "http://localhost:9000"
    )
    assert shown["issuer"] == "http://localhost:9000/identity"
    assert shown["clients"][0]["redirect_uris"] == ["http://localhost:9000/portal/callback"]


def test_postgres_gets_a_role_and_a_database_for_each_service(home: Home) -> None:
    setup.run(home, "postgres")
    sql = read(home, "postgres", "10-atoll.sql")
    for name in DATABASES:
        assert f"CREATE ROLE {name} LOGIN PASSWORD 'SCRAM-SHA-256$" in sql
        assert f"CREATE DATABASE {name} OWNER {name};" in sql
        assert f"ON DATABASE {name} FROM PUBLIC" in sql
        url = read(home, name, "database-url")
        found = re.fullmatch(rf"postgresql\+psycopg://{name}:(\w+)@postgres/{name}", url)
        assert found
        assert found[1] not in sql  # only what proves the password, never the password
    assert stat.S_IMODE((home.secrets / "postgres" / "10-atoll.sql").stat().st_mode) == 0o644


def test_scram_verifier_proves_the_password_and_no_other() -> None:
    verifier = start_state.scram_verifier("pencil")
    found = re.fullmatch(r"SCRAM-SHA-256\$4096:(\S+)\$(\S+):(\S+)", verifier)
    assert found
    salt, stored, server = (base64.b64decode(part) for part in found.groups())
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", salt, 4096)
    assert hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest() == stored
    assert hmac.digest(salted, b"Server Key", "sha256") == server
