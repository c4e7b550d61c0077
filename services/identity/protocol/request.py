"""A request as Authlib reads it: one source of parameters, the platform's public address."""

import re
from collections import defaultdict
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import OAuth2Payload, OAuth2Request
from werkzeug.datastructures import Headers, MultiDict

Parameters = MultiDict[str, str]
_RESPONSE_TYPE = re.compile(r"[a-z_ ]+")


class Payload(OAuth2Payload):  # type: ignore[misc]
    """The parameters of the query or of the form, never of both."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters

    @property
    def data(self) -> Parameters:
        """The parameters; empty values are treated as absent (RFC 6749 section 3.1)."""
        return self._parameters

    @property
    def datalist(self) -> "defaultdict[str, list[str]]":
        """Every value of each parameter."""
        return defaultdict(list, self._parameters.lists())

    @property
    def response_type(self) -> str | None:
        """The response type; what cannot be one is shown as ``unknown`` in Authlib's errors."""
        given: str | None = super().response_type
        return given if given is None or _RESPONSE_TYPE.fullmatch(given) else "unknown"


class Request(OAuth2Request):  # type: ignore[misc]
    """A request at the address that the outside world used, whatever proxy stands between."""

    def __init__(
        self, method: str, public_url: str, path: str, headers: Headers, parameters: Parameters
    ) -> None:
        address = urlsplit(public_url)
        super().__init__(method, f"{address.scheme}://{address.netloc}{path}", headers=headers)
        self._parameters = parameters
        self.payload = Payload(parameters)

    def replace(self, parameters: Parameters) -> None:
        """Go on with other parameters: those that this request stands for."""
        self._parameters = parameters
        self.payload = Payload(parameters)

    @property
    def args(self) -> Parameters:
        """The parameters."""
        return self._parameters

    @property
    def form(self) -> Parameters:
        """The parameters."""
        return self._parameters


def parameters_of(values: "MultiDict[str, Any]") -> Parameters:
    """Copy parameters without the empty ones, which count as absent (RFC 6749 section 3.1)."""
    return MultiDict([(name, value) for name, value in values.items(multi=True) if value])
