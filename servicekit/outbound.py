"""A service's own calls: always through the gateway, with a token, a time limit and the trace."""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import requests

from servicekit import trace
from servicekit.problems import BadGateway, GatewayTimeout, Problem, Unavailable

STANDARD = ("type", "title", "status", "detail", "instance", "errors")
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 (a name, no secret)
MOST_EXCHANGED = 1000
RENEW_AFTER_S = 300  # a token lives 15 minutes: ten minutes without identity hurt nobody


class Refused(Problem):
    """Another component said no; ``status`` and ``detail`` are its own words."""

    slug, title = "refused", "Another component refused"

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or "No reason was given."))
        self.status = status
        self.problem = dict(problem)


class Corridor:
    """Calls other services through the gateway as one registered client."""

    def __init__(
        self,
        gateway_url: str,
        client_id: str,
        client_secret: str,
        *,
        http: requests.Session | None = None,
        timeout_s: float = 5,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway_url, self._client = gateway_url, (client_id, client_secret)
        self._http, self._timeout_s = http or requests.Session(), timeout_s
        self._monotonic = monotonic
        self._tokens: dict[tuple[str, str], tuple[float, float, str]] = {}
        self._exchanged: OrderedDict[tuple[bytes, str, str], tuple[float, str]] = OrderedDict()
        self._lock = threading.Lock()

    def as_client(self, client_id: str, client_secret: str) -> "Corridor":
        """Return the same corridor for another registered client, over the same connections."""
        return Corridor(
            self._gateway_url,
            client_id,
            client_secret,
            http=self._http,
            timeout_s=self._timeout_s,
            monotonic=self._monotonic,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def token(self, service: str, scope: str) -> str:
        """Return this client's own token for a service, renewed well before it expires."""
        with self._lock:
            held = self._tokens.get((service, scope))
            now = self._monotonic()
            if held and now < held[0]:
                return held[2]
            try:
                answer = self.send(
                    "POST",
                    "/identity/token",
                    auth=self._client,
                    data={
                        "grant_type": "client_credentials",
                        "scope": scope,
                        "resource": f"urn:atoll:{service}",
                    },
                ).json()
                self._tokens[(service, scope)] = (
                    now + RENEW_AFTER_S,
                    now + int(answer["expires_in"]) - 30,
                    str(answer["access_token"]),
                )
            except Problem:
                if held and now < held[1]:
                    return held[2]  # identity is away, but the token held is still good
                raise
            return self._tokens[(service, scope)][2]

    def on_behalf(self, person_token: str, service: str, scope: str) -> str:
        """Exchange the token that a person's call came with for one for another service (RFC 8693).

        It speaks for the same person, names this client as the one who acts, and allows no more
        and lives no longer than the token given. Raises Refused when identity does not allow it.
        """
        digest = hashlib.sha256(person_token.encode("utf-8", "replace")).digest()
        key, now = (digest, service, scope), self._monotonic()
        with self._lock:
            held = self._exchanged.get(key)
        if held and now < held[0]:
            return held[1]
        answer = self.send(
            "POST",
            "/identity/token",
            auth=self._client,
            data={
                "grant_type": TOKEN_EXCHANGE,
                "subject_token": person_token,
                "subject_token_type": ACCESS_TOKEN,
                "resource": f"urn:atoll:{service}",
                "scope": scope,
            },
        ).json()
        text = str(answer["access_token"])
        with self._lock:
            self._exchanged[key] = (now + min(60, int(answer["expires_in"]) - 30), text)
            while len(self._exchanged) > MOST_EXCHANGED:
                self._exchanged.popitem(last=False)
        return text

    def call(
        self,
        method: str,
        path: str,
        *,
        service: str,
        scope: str,
        token: str | None = None,
        **options: Any,
    ) -> requests.Response:
        """Call a service: ``path`` as the gateway knows it, with our token or the one given.

        Raises Refused (a 4xx), Unavailable, BadGateway or GatewayTimeout.
        """
        headers = {
            "Authorization": f"Bearer {token or self.token(service, scope)}",
            "Accept": "application/json",
            **options.pop("headers", {}),
        }
        return self.send(method, path, headers=headers, **options)

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send one request through the gateway and return the answer, whatever its status.

        Reads are tried twice when the connection fails.
        """
        if current := trace.current.get():
            options["headers"] = {
                "traceparent": current.child().header(),
                **options.get("headers", {}),
            }
        options.setdefault("timeout", self._timeout_s)
        tries = 2 if method in ("GET", "HEAD") else 1
        while True:
            tries -= 1
            try:
                return self._http.request(
                    method, self._gateway_url + path, allow_redirects=False, **options
                )
            except requests.Timeout:
                raise GatewayTimeout("The gateway did not answer in time. Try again.") from None
            except requests.ConnectionError:
                if not tries:
                    raise Unavailable("The gateway cannot be reached. Try again shortly.") from None
            except requests.RequestException:
                raise BadGateway("The gateway's answer could not be read.") from None

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send one request through the gateway and return what answers below 400.

        Raises Refused (a 4xx), Unavailable, BadGateway or GatewayTimeout.
        """
        answer = self.ask(method, path, **options)
        if answer.status_code < 400:
            return answer
        try:
            problem = answer.json()
        except requests.JSONDecodeError:
            problem = {}
        problem = problem if isinstance(problem, dict) else {}
        reason = problem.get("detail") or problem.get("error_description")
        detail = str(reason or "No reason was given.")
        match answer.status_code:
            case 503:
                unavailable = Unavailable(detail)
                unavailable.members = {k: v for k, v in problem.items() if k not in STANDARD}
                raise unavailable
            case 504:
                raise GatewayTimeout(detail)
            case status if status >= 500:
                raise BadGateway(detail)
            case status:
                raise Refused(status, {"detail": detail, **problem})
