"""A call of the exchange log as it is sent again from a terminal."""

import re
from collections.abc import Mapping
from urllib.parse import quote

_PLACE = re.compile(r"\{([a-z_]+)(:path)?\}")
_ODD = re.compile(r"[^A-Za-z0-9_.~!*'(),;:@&=+/{}%-]")


def curl(
    public_url: str,
    method: str,
    route: str,
    parameters: Mapping[str, str],
    *,
    token: bool,
    purpose: str | None = None,
    basis: str | None = None,
) -> str:
    """Return the call as curl; what the log does not hold is a variable of the shell.

    The log holds no token, body or query, and of personal routes no part of the address.
    """

    def place(found: re.Match[str]) -> str:
        value = parameters.get(found[1])
        if value is None:
            return f"${found[1].upper()}"
        return quote(value, safe="/" if found[2] else "")

    path = _PLACE.sub(place, _ODD.sub("", route))
    lines = ["curl -i" + ("" if method in ("GET", "HEAD") else f" -X {method}")]
    lines[0] += f' "{public_url}{path}"'
    if token:
        lines.append('-H "Authorization: Bearer $TOKEN"')
    if purpose:
        lines += [f'-H "Atoll-Purpose: {purpose}"', '-H "Atoll-Subject: $SUBJECT"']
    if basis == "consent":
        lines.append('-H "Atoll-Consent: $CONSENT"')
    if method in ("POST", "PUT", "PATCH"):
        lines += ['-H "Content-Type: application/json"', "--data-binary @body.json"]
    return " \\\n  ".join(lines)


def token_line(public_url: str, client_id: str, service: str) -> str:
    """Return the line that gets the token for it."""
    return (
        f'TOKEN=$(curl -s -u "{client_id}:$SECRET" {public_url}/identity/token '
        f"-d grant_type=client_credentials -d resource=urn:atoll:{service} "
        "| python3 -c 'import json, sys; print(json.load(sys.stdin)[\"access_token\"])')"
    )
