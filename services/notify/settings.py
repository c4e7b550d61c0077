"""The settings of notify; each field is one environment variable."""

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from servicekit.settings import LOOPBACK_HOSTS, ServiceSettings, setting

SMTP_TIMEOUT_S = 10
TEXT_TIMEOUT_S = 8
SECURITIES = ("starttls", "tls", "none")


@dataclass(frozen=True)
class TextProvider:
    """Where texts are handed over, and its share among several."""

    name: str
    url: str
    token: str
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """What notify and its worker are told from outside."""

    data_key: str = setting(
        "32 random bytes in base64url; encrypts keys' secrets, recipients and texts.", secret=True
    )
    start_state: str | None = setting(
        "JSON with the ids and secrets of the demonstration; absent means an empty service.",
        default=None,
        secret=True,
    )
    email_domain: str = setting(
        "Domain of the From address of emails and of Message-ID.", default="notify.example"
    )
    sms_providers: str | None = setting(
        "Providers of texts, as a JSON list of {name, url, token, weight}; without it texts go to "
        "the simulator, else to the inbox.",
        default=None,
        secret=True,
    )
    simulator_url: str | None = setting(
        "Where the simulator of text providers listens; demonstrations only.", default=None
    )
    receipt_key: str | None = setting(
        "What providers show when they report receipts, complaints, returned letters and received "
        "texts; at least 32 characters. Without it only the simulator can.",
        default=None,
        secret=True,
    )
    poll_s: float = setting("Seconds between two looks at the queue.", default=0.15)
    lease_s: float = setting(
        "Seconds a worker has for the jobs it took; a killed worker's jobs come due after them.",
        default=15.0,
    )
    batch: int = setting("How many jobs a worker takes at once.", default=50)
    smtp_host: str | None = setting(
        "Mail server; without it emails go to the inbox.", default=None, env="SMTP_HOST"
    )
    smtp_port: int = setting("Port of the mail server.", default=587, env="SMTP_PORT")
    smtp_username: str | None = setting("User name there.", default=None, env="SMTP_USERNAME")
    smtp_password: str | None = setting(
        "Password there.", default=None, env="SMTP_PASSWORD", secret=True
    )
    smtp_security: str = setting(
        "starttls, tls or none (none on loopback only).", default="starttls", env="SMTP_SECURITY"
    )
    smtp_ca_file: str | None = setting(
        "Certificates to trust for the mail server instead of the machine's own.",
        default=None,
        env="SMTP_CA_FILE",
    )
    smtp_from: str | None = setting(
        "Sender address of every email; without it <service>@<email domain>.",
        default=None,
        env="SMTP_FROM",
    )

    def faults(self) -> Iterator[str]:
        """Yield a sentence for each rule that the values break."""
        yield from super().faults()
        if self.raw_data_key() is None:
            yield "The data key must be 32 bytes in base64url."
        if self.start_state is not None:
            yield from self._start_state_faults()
        yield from self._provider_faults()
        if not 0.01 <= self.poll_s <= 60:
            yield "NOTIFY_POLL_S must be between 0.01 and 60 seconds."
        if not 1 <= self.batch <= 1000:
            yield "NOTIFY_BATCH must be between 1 and 1000."
        if not 0.1 <= self.lease_s <= 3600:
            yield "NOTIFY_LEASE_S must be between 0.1 and 3600 seconds."
        if self.smtp_host is not None:
            yield from self._smtp_faults()

    def _start_state_faults(self) -> Iterator[str]:
        if not self.is_loopback:
            yield (
                "NOTIFY_START_STATE is for demonstrations: it needs a loopback ATOLL_PUBLIC_URL. "
                "Remove it, or use http://localhost."
            )
        try:
            if not isinstance(json.loads(self.start_state or ""), dict):
                yield "NOTIFY_START_STATE must be a JSON object."
        except ValueError:
            yield "NOTIFY_START_STATE is not JSON."

    def _provider_faults(self) -> Iterator[str]:
        if self.simulator_url is not None and not self.is_loopback:
            yield "NOTIFY_SIMULATOR_URL is for demonstrations with a loopback ATOLL_PUBLIC_URL."
        if self.receipt_key is not None and len(self.receipt_key) < 32:
            yield "NOTIFY_RECEIPT_KEY must have at least 32 characters."
        try:
            declared = self.text_providers()
        except (ValueError, TypeError, KeyError):
            yield "NOTIFY_SMS_PROVIDERS must be a JSON list of {name, url, token, weight}."
            return
        if len({each.name for each in declared}) < len(declared):
            yield "NOTIFY_SMS_PROVIDERS names one provider twice."
        for each in declared:
            parts = urlsplit(each.url)
            if parts.scheme != "https" and parts.hostname not in LOOPBACK_HOSTS:
                yield f"The provider {each.name} must have an https address."
            if not each.weight > 0:
                yield f"The provider {each.name} must have a weight above 0."
        if (declared or self.simulator_url) and self.lease_s < TEXT_TIMEOUT_S + 2:
            yield (
                f"NOTIFY_LEASE_S must be at least {TEXT_TIMEOUT_S + 2} with providers of texts: "
                f"one call may take {TEXT_TIMEOUT_S} seconds."
            )

    def text_providers(self) -> list[TextProvider]:
        """Return the declared providers of texts; raises ValueError or TypeError."""
        listed = json.loads(self.sms_providers) if self.sms_providers else []
        return [
            TextProvider(str(p["name"]), str(p["url"]), str(p["token"]), float(p.get("weight", 1)))
            for p in map(dict, listed)
        ]

    def _smtp_faults(self) -> Iterator[str]:
        if self.smtp_security not in SECURITIES:
            yield f"SMTP_SECURITY must be one of {', '.join(SECURITIES)}."
        if self.smtp_security == "none" and self.smtp_host not in ("localhost", "127.0.0.1", "::1"):
            yield "SMTP_SECURITY=none is accepted for a mail server on this machine only."
        if self.lease_s < SMTP_TIMEOUT_S + 2:
            yield (
                f"NOTIFY_LEASE_S must be at least {SMTP_TIMEOUT_S + 2} with a mail server: "
                f"one email may take {SMTP_TIMEOUT_S} seconds."
            )
        if not 1 <= self.smtp_port <= 65535:
            yield "SMTP_PORT must be between 1 and 65535."
        if (self.smtp_username is None) != (self.smtp_password is None):
            yield "SMTP_USERNAME and SMTP_PASSWORD go together."

    def raw_data_key(self) -> bytes | None:
        """Return the 32 bytes of the data key, or None when it is not that."""
        try:
            key = base64.urlsafe_b64decode(self.data_key + "=" * (-len(self.data_key) % 4))
        except (binascii.Error, ValueError):
            return None
        return key if len(key) == 32 else None
