"""Identity as the portal uses it: codes and refresh tokens become tokens for one service each."""

from collections.abc import Mapping
from dataclasses import dataclass

from servicekit.outbound import Corridor
from servicekit.problems import BadGateway
from services.portal.answers import json_of, members, number, optional_text, text


@dataclass(frozen=True)
class Grant:
    """What the token endpoint gave; lifetimes are in seconds."""

    access_token: str
    expires_in: int
    refresh_token: str | None
    id_token: str | None


@dataclass(frozen=True)
class PersonInfo:
    """Who signed in: the subject towards this client, and the name by language."""

    subject: str
    names: Mapping[str, str]


class IdentityClient:
    """Calls the token endpoint as the portal's own client."""

    def __init__(
        self, corridor: Corridor, client_id: str, client_secret: str, redirect_uri: str
    ) -> None:
        self._corridor, self._redirect_uri = corridor, redirect_uri
        self._client = (client_id, client_secret)

    def redeem(self, code: str, verifier: str) -> Grant:
        """Exchange an authorization code; the access token is for ``person`` alone."""
        return self._token(
            grant_type="authorization_code",
            code=code,
            code_verifier=verifier,
            redirect_uri=self._redirect_uri,
        )

    def person(self, access_token: str) -> PersonInfo:
        """Return who signed in (OpenID Connect Core 1.0 section 5.3)."""
        headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
        answer = members(json_of(self._corridor.send("GET", "/identity/userinfo", headers=headers)))
        names = {"en": text(answer.get("name")), "dv": text(answer.get("name#dv"))}
        return PersonInfo(
            text(answer.get("sub")), {code: name for code, name in names.items() if name}
        )

    def renew(self, refresh_token: str, service: str, scope: str) -> Grant:
        """Get a token for another service, or a new one for the same."""
        return self._token(
            grant_type="refresh_token",
            refresh_token=refresh_token,
            scope=scope,
            resource=f"urn:atoll:{service}",
        )

    def _token(self, **form: str) -> Grant:
        answer = members(
            json_of(self._corridor.send("POST", "/identity/token", auth=self._client, data=form))
        )
        access_token = text(answer.get("access_token"))
        if not access_token:
            raise BadGateway("Identity's answer could not be read. Sign in again.")
        return Grant(
            access_token=access_token,
            expires_in=number(answer.get("expires_in")),
            refresh_token=optional_text(answer.get("refresh_token")),
            id_token=optional_text(answer.get("id_token")),
        )
