"""Settings of the gateway: where the services are, their keys, and every limit."""

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from servicekit.note import NoteInvalid, Signer
from servicekit.settings import LOOPBACK_HOSTS, ServiceSettings, setting

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """One field, one environment variable (``GATEWAY_...``)."""

    upstreams: str = setting(
        "Where each service listens: identity=http://127.0.0.1:8011,registers=http://a:1,"
        "http://b:2; a name may resolve to several addresses."
    )
    service_keys: str = setting(
        'The gateway key of each service, as JSON: {"identity": "..."}.', secret=True
    )
    log_key: str = setting(
        "Encrypts the subjects in the exchange log: 32 random bytes in base64url.", secret=True
    )
    feed_every_s: float = setting("Seconds between two looks at identity's feed.", default=1.0)
    feed_stale_s: float = setting(
        "Age in seconds at which the feed is too old to act on a consent.", default=10.0
    )
    probe_every_s: float = setting("Seconds between two health probes of a service.", default=2.0)
    resolve_every_s: float = setting(
        "Seconds between two look-ups of the services' names, so that new instances are found.",
        default=3.0,
    )
    connect_timeout_s: float = setting("Seconds to wait for a connection.", default=2.0)
    idle_timeout_s: float = setting("Seconds a service may stay silent in a call.", default=20.0)
    total_timeout_s: float = setting("Seconds that one call may take at most.", default=300.0)
    upstream_connections: int = setting(
        "Connections to one instance of a service at most.", default=64
    )
    max_body_bytes: int = setting(
        "Largest request body, where a route declares no other.", default=5 * MEBIBYTE
    )
    max_personal_bytes: int = setting("Largest answer with personal data.", default=MEBIBYTE)
    flush_every_ms: int = setting(
        "Milliseconds that an ordinary log entry may wait to be written.", default=50
    )
    log_timeout_s: float = setting(
        "Seconds that a personal answer waits for its log entry before it is refused.", default=5.0
    )
    checkpoint_key: str = setting(
        "Signs the heads of the exchange log (Ed25519, private text form of a signed note's key); "
        "without it a key that follows from GATEWAY_LOG_KEY does.",
        default="",
        secret=True,
    )
    checkpoint_every_s: float = setting(
        "Seconds between two signed heads of the exchange log.", default=60.0
    )
    keep_personal_days: int = setting(
        "Days after which the content of log entries about persons is let go; 0: never.",
        default=3650,
    )
    keep_ordinary_days: int = setting(
        "Days after which the content of all other log entries is let go; 0: never.", default=400
    )
    stream_viewers: int = setting(
        "How many may watch the exchange log at once in one process.", default=64
    )
    limit_factor: float = setting(
        "Every rate limit is multiplied by this: more than 1 for a class behind one address.",
        default=1.0,
    )
    unused_days: int = setting(
        "Days without a call after which an agreement is shown as unused.", default=90
    )
    start_state: str | None = setting(
        "JSON that makes this a demonstration, with its agreements and the instructor's levers; "
        "only on a loopback address.",
        default=None,
        secret=True,
    )
    cors_origins: str = setting(
        "Origins whose pages may call routes that are not read by everyone, with commas between.",
        default="",
    )
    routes_file: Path | None = setting(  # noqa: RUF009
        "The route table to use instead of the one that is shipped; followed when it changes.",
        default=None,
    )
    metrics_on_loopback: bool = setting(
        "Answer GET /metrics to this machine without a token; not where a proxy runs beside.",
        default=False,
    )
    otlp_endpoint: str = setting(
        "Where spans are exported to by OTLP over HTTP; none are when it is empty.",
        default="",
        env="OTEL_EXPORTER_OTLP_ENDPOINT",
    )
    run_folder: Path | None = setting(  # noqa: RUF009
        "The folder that all workers share; the server makes and removes it itself.",
        default=None,
        env="ATOLL_RUN",
    )
    ipv6_loopback: bool = setting(
        "Listen on ::1 too when the gateway's address is this machine's own.", default=True
    )

    def faults(self) -> Iterator[str]:
        """Yield a sentence for each rule that the values break."""
        yield from super().faults()
        try:
            upstreams = set(self.upstream_addresses)
        except ValueError as fault:
            upstreams = set()
            yield f"GATEWAY_UPSTREAMS cannot be read: {fault}"
        try:
            keys = self.keys
        except ValueError:
            keys = {}
            yield 'GATEWAY_SERVICE_KEYS must be a JSON object of texts: {"identity": "..."}.'
        for name in sorted(upstreams - set(keys)):
            yield f"GATEWAY_SERVICE_KEYS holds no key for {name}."
        try:
            if len(self.log_key_bytes) != 32:
                yield "GATEWAY_LOG_KEY must be 32 bytes in base64url."
        except (binascii.Error, ValueError):
            yield "GATEWAY_LOG_KEY is not base64url."
        try:
            if self.checkpoint_key:
                Signer.parse(self.checkpoint_key)
        except NoteInvalid:
            yield "GATEWAY_CHECKPOINT_KEY is not a private key of a signed note."
        if self.limit_factor <= 0:
            yield "GATEWAY_LIMIT_FACTOR must be more than 0."
        if self.start_state is not None and not self.is_loopback:
            yield (
                "GATEWAY_START_STATE is for demonstrations: it is accepted only when "
                "ATOLL_PUBLIC_URL is on loopback."
            )
        if self.start_state is not None and not _is_object(self.start_state):
            yield "GATEWAY_START_STATE must be a JSON object."
        for name in ("keep_personal_days", "keep_ordinary_days", "stream_viewers", "unused_days"):
            if getattr(self, name) < 0:
                yield f"GATEWAY_{name.upper()} must not be less than 0."
        for name in (
            "checkpoint_every_s",
            "feed_every_s",
            "probe_every_s",
            "resolve_every_s",
            "connect_timeout_s",
            "idle_timeout_s",
        ):
            if getattr(self, name) <= 0:
                yield f"GATEWAY_{name.upper()} must be more than 0."

    @property
    def upstream_addresses(self) -> dict[str, list[tuple[str, int]]]:
        """Host and port of each service's instances by name."""
        addresses: dict[str, list[tuple[str, int]]] = {}
        name = ""
        for part in filter(None, (part.strip() for part in self.upstreams.split(","))):
            if not part.startswith("http://"):
                name, _, _ = part.partition("=")
                if name in addresses:
                    raise ValueError(f"{part!r}: its name comes twice")
            url = urlsplit(part.removeprefix(f"{name}="))
            if not name or url.scheme != "http" or not url.hostname or url.port is None:
                raise ValueError(f"{part!r} is not name=http://host:port")
            if url.path not in ("", "/") or url.query or url.username:
                raise ValueError(f"{part!r} is more than http://host:port")
            addresses.setdefault(name, []).append((url.hostname, url.port))
        return addresses

    @property
    def keys(self) -> dict[str, str]:
        """The gateway key of each service by name."""
        keys = json.loads(self.service_keys)
        if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
            raise ValueError("not an object of texts")
        return keys

    @property
    def log_key_bytes(self) -> bytes:
        """The exchange log's key."""
        text = self.log_key
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)

    @property
    def relay_port(self) -> int | None:
        """The port to answer on ``::1`` too, or None when that is not wanted here."""
        address = urlsplit(self.gateway_url)
        if not self.ipv6_loopback or address.hostname not in LOOPBACK_HOSTS:
            return None
        return address.port or 80


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
