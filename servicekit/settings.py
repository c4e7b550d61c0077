"""Settings of a service: a frozen dataclass whose every field is one environment variable."""

import dataclasses
import os
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

S = TypeVar("S", bound="ServiceSettings")
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class SettingsError(Exception):
    """Start-up cannot go on; the message lists every fault, one a line."""


def setting(
    doc: str, *, default: Any = dataclasses.MISSING, env: str | None = None, secret: bool = False
) -> Any:
    """Declare one setting.

    doc: what it does, with units, for people. env: the variable's name when it is not
    ``<SERVICE>_<FIELD>``. secret: never shown by ``repr``. Without a default it is required.
    """
    metadata = {"doc": doc, "env": env}
    return dataclasses.field(default=default, repr=not secret, metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """The settings that every service has."""

    public_url: str = setting(
        "Where browsers and outside programs reach the platform; plain http on loopback only.",
        default="http://localhost:8000",
        env="ATOLL_PUBLIC_URL",
    )
    gateway_url: str = setting(
        "Where services reach the gateway from inside.",
        default="http://localhost:8000",
        env="ATOLL_GATEWAY_URL",
    )
    database_url: str = setting("SQLAlchemy address of this service's own database.", secret=True)
    gateway_key: str = setting(
        "Shared with the gateway; without it only /healthz and /readyz answer.", secret=True
    )
    test_hosts: str = setting(
        "Loopback hosts (`host` or `host:port`, separated by commas) whose callbacks may be called "
        "over plain http; only where the public address is loopback.",
        default="",
        env="ATOLL_TEST_HOSTS",
    )

    def __post_init__(self) -> None:
        if faults := list(self.faults()):
            raise SettingsError("\n".join(faults))

    def faults(self) -> typing.Iterator[str]:
        """Yield a sentence for each rule that the values break; subclasses add their own."""
        for name in ("public_url", "gateway_url"):
            if urlsplit(getattr(self, name)).scheme not in ("http", "https"):
                yield f"ATOLL_{name.upper()} must be an http or https address."
        public = urlsplit(self.public_url)
        if public.scheme == "http" and public.hostname not in LOOPBACK_HOSTS:
            yield (
                "ATOLL_PUBLIC_URL must be https: plain http is accepted on loopback only "
                f"({public.hostname} is not loopback)."
            )
        if len(self.gateway_key) < 32:
            yield "The gateway key must have at least 32 characters."
        if self.callback_test_hosts and not self.is_loopback:
            yield "ATOLL_TEST_HOSTS works only where ATOLL_PUBLIC_URL is loopback. Remove it."
        if any(urlsplit(f"//{h}").hostname not in LOOPBACK_HOSTS for h in self.callback_test_hosts):
            yield f"ATOLL_TEST_HOSTS may name only {', '.join(sorted(LOOPBACK_HOSTS))}."

    @property
    def callback_test_hosts(self) -> frozenset[str]:
        """The declared loopback hosts, as ``servicekit.guarded`` takes them."""
        return frozenset(host.strip() for host in self.test_hosts.split(",") if host.strip())

    @property
    def issuer(self) -> str:
        """The issuer of the platform's tokens (``wire`` section 1)."""
        return f"{self.public_url}/identity"

    @property
    def is_loopback(self) -> bool:
        """Whether the public address is this machine's own, as a demonstration's must be."""
        return urlsplit(self.public_url).hostname in LOOPBACK_HOSTS


def variable(field: "dataclasses.Field[Any]", prefix: str) -> str:
    """Name the environment variable of a field of the service with this prefix."""
    return str(field.metadata.get("env") or f"{prefix}_{field.name.upper()}")


def load(cls: type[S], prefix: str, environ: Mapping[str, str] | None = None) -> S:
    """Read settings from the environment.

    A value comes from ``NAME``, else from the file named by ``NAME_FILE``, else from a file in the
    folder ``ATOLL_SECRETS`` called like the field with dashes (``gateway-key``). Raises
    SettingsError with every fault in one message.
    """
    environ = os.environ if environ is None else environ
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    faults: list[str] = []
    for field in dataclasses.fields(cls):
        name = variable(field, prefix)
        try:
            text = _text(name, field.name, environ)
            if text is not None:
                values[field.name] = _convert(text, hints[field.name])
            elif field.default is dataclasses.MISSING:
                faults.append(f"{name} is required: {field.metadata['doc']}")
        except (ValueError, OSError) as fault:
            faults.append(f"{name} cannot be read: {fault}")
    if not faults:
        try:
            return cls(**values)
        except SettingsError as error:
            faults.append(str(error))
    raise SettingsError("\n".join(faults))


def _text(name: str, field_name: str, environ: Mapping[str, str]) -> str | None:
    if name in environ:
        return environ[name]
    if f"{name}_FILE" in environ:
        return Path(environ[f"{name}_FILE"]).read_text(encoding="utf-8").strip()
    folder = environ.get("ATOLL_SECRETS")
    if folder and (file := Path(folder) / field_name.replace("_", "-")).is_file():
        return file.read_text(encoding="utf-8").strip()
    return None


def _convert(text: str, hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        if text == "":
            return None
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    if hint is bool:
        if text.lower() in ("1", "true", "yes", "on"):
            return True
        if text.lower() in ("0", "false", "no", "off", ""):
            return False
        raise ValueError(f"{text!r} is neither true nor false")
    if hint in (int, float, str, Path):
        return hint(text)
    raise ValueError(f"a setting of type {hint} is not supported")
