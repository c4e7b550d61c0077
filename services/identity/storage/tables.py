"""The tables of identity; secrets that need not be read back are kept as SHA-256."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from services.identity.domain import redirects, scopes
from services.identity.domain.subjects import sector_of


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime on every engine; SQLite itself keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Write in UTC, so that texts compare as times on SQLite."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Read as UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The registry of identity's tables."""

    type_annotation_map = {datetime: Moment, dict[str, Any]: JSON, list[str]: JSON}  # noqa: RUF012


class Person(Base):
    """Somebody who can sign in. sub: random, 22 characters, never a national number."""

    __tablename__ = "people"

    sub: Mapped[str] = mapped_column(String(22), primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    name_dv: Mapped[str | None] = mapped_column(String(200))
    phone: Mapped[str | None] = mapped_column(String(32))
    email: Mapped[str | None] = mapped_column(String(254))
    home_island: Mapped[str | None] = mapped_column(String(64))
    language: Mapped[str] = mapped_column(String(8))
    roles: Mapped[list[str]]
    password_hash: Mapped[str] = mapped_column(String(200))
    totp_secret: Mapped[bytes] = mapped_column(LargeBinary)  # sealed by the vault; empty: none
    totp_last_step: Mapped[int | None] = mapped_column(BigInteger)
    identity_level: Mapped[str] = mapped_column(String(12))  # low, substantial, high
    evidence: Mapped[list[dict[str, Any]]] = mapped_column(JSON)  # what the level rests on


def _client_defaults() -> dict[str, Any]:
    return {
        "description": {},
        "owner": None,
        "contacts": [],
        "created_at": datetime.now(UTC),
        "status": "live",
        "profile": "standard",
        "application_type": "web",
        "first_party": False,
        "auth_method": "client_secret_basic",
        "secret_hash": None,
        "former_secret_hash": None,
        "former_secret_until": None,
        "jwks": None,
        "jwks_uri": None,
        "id_token_alg": "ES256",
        "redirect_uris": [],
        "post_logout_redirect_uris": [],
        "backchannel_logout_uri": None,
        "backchannel_logout_session_required": False,
        "scopes": [],
        "person_scopes": [],
        "roles": [],
        "information": {},
        "faults": {},
    }


class Client(Base):
    """A registered program; its methods are what Authlib asks of a client (RFC 6749 section 2)."""

    __tablename__ = "clients"

    client_id: Mapped[str] = mapped_column(String(21), primary_key=True)
    name: Mapped[dict[str, Any]]  # by language, as description is
    description: Mapped[dict[str, Any]]
    owner: Mapped[str | None] = mapped_column(String(22))  # the subject of a person
    contacts: Mapped[list[str]]
    created_at: Mapped[datetime]
    # sandbox, pending (waits to be live), live, disabled, removed (its id is never given again)
    status: Mapped[str] = mapped_column(String(16))
    profile: Mapped[str] = mapped_column(String(16))  # standard, fapi2
    application_type: Mapped[str] = mapped_column(String(16))  # web, native
    first_party: Mapped[bool] = mapped_column(Boolean)  # the platform's own: nobody is asked
    # client_secret_basic, client_secret_post, private_key_jwt, none
    auth_method: Mapped[str] = mapped_column(String(32))
    secret_hash: Mapped[str | None] = mapped_column(String(64))
    former_secret_hash: Mapped[str | None] = mapped_column(String(64))  # good until then, too
    former_secret_until: Mapped[datetime | None]
    jwks: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    jwks_uri: Mapped[str | None] = mapped_column(Text)
    id_token_alg: Mapped[str] = mapped_column(String(8))  # ES256, RS256
    sector: Mapped[str] = mapped_column(Text)  # clients of one sector know a person by one subject
    redirect_uris: Mapped[list[str]]
    post_logout_redirect_uris: Mapped[list[str]]
    backchannel_logout_uri: Mapped[str | None] = mapped_column(Text)
    backchannel_logout_session_required: Mapped[bool] = mapped_column(Boolean)
    grant_types: Mapped[list[str]]
    scopes: Mapped[list[str]]  # for itself
    person_scopes: Mapped[list[str]]  # on behalf of a person
    roles: Mapped[list[str]]
    information: Mapped[dict[str, Any]]  # addresses of its pages, its software (RFC 7591 2)
    faults: Mapped[dict[str, Any]]  # what a developer has injected; never for a live client

    def __init__(self, **values: Any) -> None:
        """Make a client; what is not said is a live web service with a secret."""
        sector = sector_of(values["client_id"], values.get("redirect_uris", []))
        defaults = _client_defaults() | {"sector": sector}
        super().__init__(**(defaults | values))

    @property
    def enabled(self) -> bool:
        """Whether the client may do anything: a sandbox one may, one that waits may not."""
        return self.status in ("sandbox", "live")

    def get_client_id(self) -> str:
        """Return the client id."""
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """Have no default: a request must name its redirect address."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Return the scopes that may be asked for a person, or None to refuse them."""
        return scopes.allowed(scope, self.person_scopes)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether the address is registered, character by character but for a native's port."""
        native = self.application_type == "native"
        return redirects.is_registered(redirect_uri, self.redirect_uris, native=native)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Whether the client authenticates this way."""
        return method == self.auth_method

    def check_response_type(self, response_type: str) -> bool:
        """Whether the client may ask for this response: a code, if it signs people in."""
        return response_type == "code" and self.check_grant_type("authorization_code")

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether the client may use this grant."""
        return grant_type in self.grant_types


class Agreement(Base):
    """What a person agreed that a client may have, for a purpose, until a day; as it stands now."""

    __tablename__ = "agreements"

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, unique=True)  # the feed's; orders them
    subject: Mapped[str] = mapped_column(ForeignKey("people.sub"), index=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id"), index=True)
    purpose: Mapped[str] = mapped_column(String(64))
    items: Mapped[list[str]]  # domain/agreements.py
    categories: Mapped[list[str]]  # that the items open to the client by itself
    version: Mapped[int] = mapped_column(Integer)
    given_at: Mapped[datetime]
    until: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class FeedState(Base):
    """The one row that names the feed's epoch and last number; its lock orders the writers."""

    __tablename__ = "feed_state"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    epoch: Mapped[str] = mapped_column(String(22))
    last: Mapped[int] = mapped_column(BigInteger)


class FeedEvent(Base):
    """One thing that the gateway must know (wire section 5)."""

    __tablename__ = "feed_events"

    n: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event: Mapped[dict[str, Any]]


class SignInSession(Base):
    """A browser in which a person signed in; the cookie's value is known by its hash alone."""

    __tablename__ = "sessions"

    id_hash: Mapped[str] = mapped_column(String(64), primary_key=True)  # its lasting name
    cookie_hash: Mapped[str] = mapped_column(String(64), unique=True, index=True)
    sub: Mapped[str] = mapped_column(ForeignKey("people.sub"), index=True)
    acr: Mapped[str] = mapped_column(String(12))  # domain/assurance.py
    amr: Mapped[list[str]]  # RFC 8176
    started_at: Mapped[datetime]
    auth_time: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    device: Mapped[str] = mapped_column(String(80))  # browser and system in words
    network: Mapped[str] = mapped_column(String(80))


class Attempts(Base):
    """Failed sign-ins of one account name (its hash: unknown names are counted the same way)."""

    __tablename__ = "attempts"

    account_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    not_before: Mapped[datetime]
    changed_at: Mapped[datetime] = mapped_column(index=True)


class Grant(Base):
    """What a client got from one sign-in; revoking it ends every token that came from it."""

    __tablename__ = "grants"

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id"))
    sub: Mapped[str] = mapped_column(ForeignKey("people.sub"))
    session_hash: Mapped[str] = mapped_column(String(64), index=True)
    sid: Mapped[str] = mapped_column(String(43))  # what the client knows the sign-in by
    scope: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str | None] = mapped_column(String(64))  # of the agreement; None: own service
    resources: Mapped[list[str]]
    auth_time: Mapped[datetime]
    acr: Mapped[str] = mapped_column(String(64))
    amr: Mapped[list[str]]
    acr_reason: Mapped[str | None] = mapped_column(String(32))  # why it is not what was asked for
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]


class Code(Base):
    """An authorization code: lives a minute, works once."""

    __tablename__ = "codes"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("grants.id", ondelete="CASCADE"), index=True)
    redirect_uri: Mapped[str] = mapped_column(Text)
    nonce: Mapped[str | None] = mapped_column(Text)
    code_challenge: Mapped[str] = mapped_column(String(128))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class RefreshToken(Base):
    """A refresh token: works once, then its successor does."""

    __tablename__ = "refresh_tokens"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("grants.id", ondelete="CASCADE"), index=True)
    used_at: Mapped[datetime | None]


metadata = Base.metadata
