"""The feed of changes: whoever reconnects misses nothing and is told nothing twice."""

import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from servicekit import guarded
from services.registers.courier import Courier
from services.registers.domain import feed
from services.registers.routes import feeds
from services.registers.vault import Vault
from tests.registers.conftest import LOG_KEY, Caller, settings, vessel
from tests.support.clock import FakeClock

FEED = "/registers/fishing-vessel/feed"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "LOOK_S", 0.01)


class Listener:
    """Reads a stream of events one by one."""

    def __init__(self, caller: Caller, last: str | None = None, query: str = "") -> None:
        headers = {"Accept": "text/event-stream"} | (
            {} if last is None else {"Last-Event-ID": last}
        )
        self.response = caller.get(FEED + query, headers)
        assert self.response.status_code == 200, self.response.text
        assert self.response.content_type.startswith("text/event-stream")
        self._parts: Iterator[bytes] = iter(self.response.response)  # type: ignore[arg-type]

    def event(self) -> dict[str, str]:
        while True:
            lines = next(self._parts).decode().strip().split("\n")
            found = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
            if "event" in found:
                return found

    def close(self) -> None:
        self.response.close()


def test_a_stream_tells_every_entry_with_its_number_as_id(stored: Caller) -> None:
    with contextlib.closing(Listener(stored)) as listener:
        begin = listener.event()
        assert (begin["event"], begin["id"]) == ("begin", "12")
        stored.append(vessel(1))
        told = listener.event()
        assert (told["event"], told["id"]) == ("entry", "13")
        data = json.loads(told["data"])
        assert data["entry-number"] == 13
        assert data["item"]["name"] == "Boat 1"


def test_a_consumer_that_reconnects_misses_nothing_and_repeats_nothing(stored: Caller) -> None:
    seen: list[int] = []
    last: str | None = None
    appended = itertools.count(1)
    for drops_after in (1, 3, 2, 5):
        with contextlib.closing(Listener(stored, last)) as listener:
            last = listener.event()["id"]
            for _ in range(drops_after):
                number = next(appended)
                stored.append(vessel(number), f"key-{number}")
                told = listener.event()
                seen.append(int(told["id"]))
                last = told["id"]
        number = next(appended)  # while nobody listens
        stored.append(vessel(number), f"key-{number}")
    with contextlib.closing(Listener(stored, last)) as listener:
        listener.event()
        while len(seen) < 15:
            seen.append(int(listener.event()["id"]))
    assert seen == list(range(13, 13 + 15))


def test_streams_are_capped_and_their_seats_come_back(stored: Caller) -> None:
    open_ones = [Listener(stored) for _ in range(feeds.STREAMS)]
    refused = stored.get(FEED, {"Accept": "text/event-stream"})
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert stored.get(f"{FEED}?after=0").status_code == 200
    open_ones[0].event()
    for one in open_ones:
        one.close()
        one.close()
    for _ in range(2 * feeds.STREAMS):
        Listener(stored).close()


@pytest.mark.parametrize("last", ["x", "-1", "13", "9" * 30, "١"])
def test_a_last_event_that_nobody_told_is_refused(registers: Caller, last: str) -> None:
    answer = registers.get(FEED, {"Accept": "text/event-stream", "Last-Event-ID": last})
    assert answer.status_code == 400


def test_polling_goes_on_from_a_number(stored: Caller) -> None:
    first = stored.json(f"{FEED}?after=0&limit=5")
    assert [entry["entry-number"] for entry in first["entries"]] == [1, 2, 3, 4, 5]
    rest = stored.json(f"{FEED}?after={first['after']}")
    assert [entry["entry-number"] for entry in rest["entries"]] == list(range(6, 13))
    nothing = stored.json(f"{FEED}?after=12")
    assert (nothing["after"], nothing["entries"]) == (12, [])
    for query in ("after=13", "after=x", "wait=21", "limit=501", "other=1"):
        assert stored.get(f"{FEED}?{query}").status_code == 400


def test_a_poll_waits_for_the_next_entry(stored: Caller) -> None:
    told: list[Any] = []
    waiting = threading.Thread(target=lambda: told.append(stored.json(f"{FEED}?after=12&wait=20")))
    waiting.start()
    stored.append(vessel(1))
    waiting.join()
    assert [entry["entry-number"] for entry in told[0]["entries"]] == [13]


def test_a_poll_beyond_the_cap_answers_at_once(registers: Caller) -> None:
    seats = registers.app.extensions.setdefault("registers.seats", feeds.Seats())
    for _ in range(feeds.WAITERS):
        assert seats.waiters.acquire(blocking=False)
    assert registers.json(f"{FEED}?after=12&wait=20")["entries"] == []


# -- webhooks


class Address:
    """An address that takes messages, or refuses them."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.status: int | Exception = 200

    def send(self, url: str, *, headers: dict[str, str], body: bytes, **options: Any) -> Any:
        if isinstance(self.status, Exception):
            raise self.status
        if self.status == 200:
            self.taken.append(json.loads(body))
            self.headers.append(headers | {"body": body.decode(), "url": url})
        return guarded.Answer(self.status, {}, b"")

    @property
    def numbers(self) -> list[int]:
        return [message["data"]["entry-number"] for message in self.taken]


@pytest.fixture
def address() -> Address:
    return Address()


@pytest.fixture
def courier(stored: Caller, clock: FakeClock, address: Address) -> Courier:
    return Courier(stored.database, Vault(LOG_KEY), clock, send=address.send)


def subscribe(caller: Caller, **body: Any) -> Any:
    headers = caller.issuer.headers("registers", "registers.subscribe")
    return caller.client.post(
        "/registers/fishing-vessel/subscriptions",
        json={"url": "https://consumer.example/hook"} | body,
        headers={"Atoll-Gateway-Key": "k" * 64, **headers},
    )


def listed(caller: Caller) -> list[Any]:
    headers = caller.issuer.headers("registers", "registers.subscribe")
    answer = caller.get("/registers/fishing-vessel/subscriptions", headers)
    found: list[Any] = answer.get_json()["subscriptions"]
    return found


def change(caller: Caller, method: str, path: str, client: str = "test-client") -> int:
    headers = caller.issuer.headers("registers", "registers.subscribe", client_id=client)
    return caller.client.open(
        f"/registers/fishing-vessel/subscriptions/{path}",
        method=method,
        headers={"Atoll-Gateway-Key": "k" * 64, **headers},
    ).status_code


def test_messages_are_signed_as_standard_webhooks_says(
    stored: Caller, courier: Courier, address: Address
) -> None:
    made = subscribe(stored)
    assert made.status_code == 201
    secret = made.get_json()["secret"]
    stored.append(vessel(1))
    assert courier.deliver_due() == 1
    (headers,) = address.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{headers['body']}"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.digest(key, signed.encode(), hashlib.sha256)
    assert headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
    message = address.taken[0]
    assert message["type"] == "register.entry.appended"
    assert message["data"]["register"] == "fishing-vessel"
    assert message["data"]["item"]["name"] == "Boat 1"


def test_the_secret_is_shown_once_and_kept_encrypted(stored: Caller) -> None:
    secret = subscribe(stored).get_json()["secret"]
    assert "secret" not in listed(stored)[0]
    from sqlalchemy import select

    from services.registers.storage.tables import Subscription

    with stored.database.snapshot() as session:
        kept = session.scalar(select(Subscription.secret))
    assert kept is not None
    assert secret not in kept
    assert secret.removeprefix("whsec_") not in kept


def test_a_subscriber_gets_every_entry_once_in_order_through_failures(
    stored: Caller, courier: Courier, address: Address, clock: FakeClock
) -> None:
    subscribe(stored, after=0)
    assert courier.deliver_due() == 12
    for number, status in enumerate([200, 500, guarded.NotReached("away"), 302, 200]):
        stored.append(vessel(number), f"key-{number}")
        address.status = status
        courier.deliver_due()
        clock.advance(seconds=100_000)
    address.status = 200
    while courier.deliver_due():
        pass
    assert address.numbers == list(range(1, 18))
    assert len({headers["webhook-id"] for headers in address.headers}) == 17
    assert listed(stored)[0]["state"] == "active"


def test_a_failing_address_is_tried_later_and_later_and_then_given_up(
    stored: Caller, courier: Courier, address: Address, clock: FakeClock
) -> None:
    subscribe(stored)
    stored.append(vessel(1))
    address.status = 500
    for wait in feed.BACK_OFF:
        courier.deliver_due()
        (mine,) = listed(stored)
        assert (mine["state"], mine["delivered"]) == ("failing", 12)
        assert mine["fault"] == "The address answered 500."
        clock.advance(seconds=wait - 1)
        before = mine["attempts"]
        courier.deliver_due()
        assert listed(stored)[0]["attempts"] == before
        clock.advance(seconds=1)
    courier.deliver_due()
    (mine,) = listed(stored)
    assert mine["state"] == "dead"
    clock.advance(seconds=10**7)
    address.status = 200
    assert courier.deliver_due() == 0
    assert change(stored, "POST", f"{mine['id']}/retry") == 204
    assert courier.deliver_due() == 1
    assert address.numbers == [13]


def test_an_address_that_is_gone_is_given_up_at_once(
    stored: Caller, courier: Courier, address: Address
) -> None:
    subscribe(stored)
    stored.append(vessel(1))
    address.status = 410
    courier.deliver_due()
    assert listed(stored)[0]["state"] == "dead"


def test_two_couriers_never_deliver_the_same(
    stored: Caller, courier: Courier, address: Address, clock: FakeClock
) -> None:
    subscribe(stored, after=0)
    other = Courier(stored.database, Vault(LOG_KEY), clock, send=address.send)
    inner = address.send

    def send(url: str, **options: Any) -> Any:
        assert other.deliver_due() == 0  # while this one holds it
        return inner(url, **options)

    Courier(stored.database, Vault(LOG_KEY), clock, send=send).deliver_due()
    assert address.numbers == list(range(1, 13))


def test_a_courier_that_died_lets_go(
    stored: Caller, courier: Courier, address: Address, clock: FakeClock
) -> None:
    subscribe(stored, after=10)
    address.status = KeyError("the process is killed here")
    with pytest.raises(KeyError):
        courier.deliver_due()
    address.status = 200
    assert courier.deliver_due() == 0
    clock.advance(seconds=61)
    assert courier.deliver_due() == 2
    assert address.numbers == [11, 12]


@pytest.mark.parametrize(
    "body",
    [
        {"url": "http://consumer.example/"},
        {"url": "https://user@consumer.example/"},
        {"url": "file:///etc/passwd"},
        {"url": "https://consumer.example:22/"},
        {"after": 13},
        {"after": -1},
        {"other": 1},
        {"url": 1},
    ],
)
def test_what_cannot_be_subscribed_is_refused(registers: Caller, body: Any) -> None:
    assert subscribe(registers, **body).status_code == 422
    assert listed(registers) == []


def test_a_client_sees_and_removes_its_own_only(registers: Caller) -> None:
    identifier = subscribe(registers).get_json()["id"]
    assert change(registers, "DELETE", identifier, client="another") == 404
    assert change(registers, "POST", f"{identifier}/retry", client="another") == 404
    assert change(registers, "DELETE", identifier) == 204
    assert change(registers, "DELETE", identifier) == 404
    assert listed(registers) == []
    for _ in range(feeds.MAX_SUBSCRIPTIONS):
        assert subscribe(registers).status_code == 201
    refused = subscribe(registers)
    assert refused.status_code == 409
    assert refused.get_json()["type"].endswith("/too-many-subscriptions")


def test_a_real_address_takes_a_signed_message(registers: Caller, clock: FakeClock) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer

    got: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            got.append((self.headers["webhook-id"], self.rfile.read(length)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    host = f"127.0.0.1:{server.server_port}"
    registers.app.config["ATOLL_SETTINGS"] = settings(test_hosts=host)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        assert subscribe(registers, url=f"http://{host}/hook", after=11).status_code == 201
        courier = Courier(registers.database, Vault(LOG_KEY), clock, {host})
        assert courier.deliver_due() == 1
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert json.loads(got[0][1])["data"]["entry-number"] == 12
