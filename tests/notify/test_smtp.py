"""Email over SMTP: a real server with real TLS, one connection for a batch, refusals."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from servicekit.database import Database
from services.notify.providers.choice import make_providers
from services.notify.worker import Worker
from tests.notify.conftest import EMAIL, Api, settings
from tests.support.clock import FakeClock

RUNNING = threading.Event()
# the server does not know that TLS from the first byte is TLS
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


class Mailbox:
    """What the server got; ``answer`` decides about a recipient."""

    def __init__(self) -> None:
        self.emails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.peers: set[Any] = set()
        self.answer: Callable[[str], str] = lambda address: "250 OK"
        self.data_answer = "250 taken"

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        said = self.answer(address)
        if said.startswith("250"):
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.data_answer.startswith("250"):
            email = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(email, EmailMessage)
            self.emails.append(email)
            self.recipients += envelope.rcpt_tos
            self.peers.add(session.peer)
        return self.data_answer


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


def _authenticate(
    server: Any, session: Any, envelope: Any, mechanism: str, data: Any
) -> AuthResult:
    right = (data.login, data.password) == (b"notify", b"a password")
    return AuthResult(success=right, handled=False)  # not handled: the server answers 535 itself


@pytest.fixture(params=["starttls", "tls"])
def smtp(
    request: pytest.FixtureRequest, certificate: tuple[Path, Path], mailbox: Mailbox
) -> Iterator[dict[str, Any]]:
    """A running mail server; yields the settings for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    secured: dict[str, Any] = (
        {"tls_context": context, "require_starttls": True}
        if request.param == "starttls"
        else {"ssl_context": context, "auth_require_tls": False}
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=port,
        authenticator=_authenticate,
        auth_required=True,
        server_hostname="mail.test",  # or it asks the network for its own name
        **secured,
    )
    server.start()
    yield {
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "smtp_security": request.param,
        "smtp_ca_file": str(certificate[0]),
        "smtp_username": "notify",
        "smtp_password": "a password",
    }
    server.stop()


@pytest.fixture
def employ(store: Database, clock: FakeClock) -> Callable[[dict[str, Any]], Worker]:
    def make(options: dict[str, Any]) -> Worker:
        made = settings(store, **options)
        return Worker(
            made, store, make_providers(made, store, clock), clock=clock, jitter=lambda: 1.0
        )

    return make


Employ = Callable[[dict[str, Any]], Worker]


def test_emails_arrive_whole_over_one_connection(
    api: Api, smtp: dict[str, Any], mailbox: Mailbox, employ: Employ
) -> None:
    sent = [
        api.email({"one_click_unsubscribe_url": "https://fisheries.example/stop"}).json,
        api.email({"email_address": "x@bücher.example"}).json,
        api.email().json,
    ]
    worker = employ(smtp)
    worker.work(RUNNING)
    worker._providers.close()
    assert [api.status(one["id"]) for one in sent] == ["delivered"] * 3
    assert mailbox.recipients == [
        "aishath@people.example",
        "x@xn--bcher-kva.example",
        "aishath@people.example",
    ]
    assert len(mailbox.peers) == 1
    email = mailbox.emails[0]
    assert email["Message-ID"] == f"<{sent[0]['id']}@notify.example>"
    assert email["From"] == '"Fisheries Department (demonstration)" <fisheries@notify.example>'
    assert email["Subject"] == "Licence FV-0007 for Kandu Koe is granted"
    assert email["List-Unsubscribe"] == "<https://fisheries.example/stop>"
    assert email["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    plain, html = email.get_body(("plain",)), email.get_body(("html",))
    assert plain is not None
    assert html is not None
    written = sent[0]["content"]["body"].replace("\n* ", "\n• ")
    assert plain.get_content().strip() == written
    assert email["Reply-To"] == "fisheries@people.example"
    assert "ލައިސަންސް" in plain.get_content()
    assert '<li dir="auto">' in html.get_content()
    assert mailbox.emails[1]["List-Unsubscribe"] is None


def test_texts_go_to_the_inbox_all_the_same(
    api: Api, smtp: dict[str, Any], mailbox: Mailbox, employ: Employ, inbox: Callable[..., Any]
) -> None:
    sent = api.sms().json["id"]
    employ(smtp).work(RUNNING)
    assert [message["id"] for message in inbox().json["messages"]] == [sent]
    assert mailbox.emails == []


def test_refusals_are_final_or_tried_again_as_the_server_says(
    api: Api, smtp: dict[str, Any], mailbox: Mailbox, employ: Employ
) -> None:
    said = {"gone@x.mv": "550 no such user", "full@x.mv": "452 try later", "ok@x.mv": "250 OK"}
    mailbox.answer = lambda address: said[address]
    sent = {to: api.email({"email_address": to}).json["id"] for to in said}
    worker = employ(smtp)
    worker.work(RUNNING)
    assert {to: api.status(id_) for to, id_ in sent.items()} == {
        "gone@x.mv": "permanent-failure",
        "full@x.mv": "sending",
        "ok@x.mv": "delivered",
    }
    said["full@x.mv"] = "250 OK"
    api.clock.advance(seconds=10)
    worker.work(RUNNING)
    worker._providers.close()
    assert api.status(sent["full@x.mv"]) == "delivered"


def test_a_message_that_the_server_will_not_have_is_final(
    api: Api, smtp: dict[str, Any], mailbox: Mailbox, employ: Employ
) -> None:
    mailbox.data_answer = "554 no"
    first, second = api.email().json["id"], api.email().json["id"]
    worker = employ(smtp)
    worker.work(RUNNING)
    worker._providers.close()
    assert (api.status(first), api.status(second)) == ("permanent-failure",) * 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"smtp_password": "another"},
        {"smtp_ca_file": None},
        {"smtp_port": 9},
    ],
)
def test_a_server_that_cannot_be_trusted_or_reached_gets_nothing(
    api: Api, smtp: dict[str, Any], mailbox: Mailbox, employ: Employ, wrong: dict[str, Any]
) -> None:
    sent = api.email().json["id"]
    employ(smtp | wrong).work(RUNNING)
    assert api.status(sent) == "sending"
    assert mailbox.emails == []
    api.clock.advance(seconds=10)
    worker = employ(smtp)
    worker.work(RUNNING)
    worker._providers.close()
    assert api.status(sent) == "delivered"


def test_no_value_becomes_a_header(
    api: Api, smtp: dict[str, Any], mailbox: Mailbox, employ: Employ
) -> None:
    values = EMAIL["personalisation"] | {"licence": "1\r\nBcc: all@x.mv\x0b\x85\u2028\x1ex"}
    sent = api.email({"personalisation": values}).json["id"]
    worker = employ(smtp | {"smtp_from": "no-reply@platform.example"})
    worker.work(RUNNING)
    worker._providers.close()
    assert api.status(sent) == "delivered"
    [email] = mailbox.emails
    assert email["Bcc"] is None
    assert email["Subject"] == "Licence 1 Bcc: all@x.mv x for Kandu Koe is granted"
    assert mailbox.recipients == ["aishath@people.example"]
