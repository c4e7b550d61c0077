"""Identity's public keys, fetched by the gateway itself, past its own door."""

from collections.abc import Mapping
from typing import Any

from gateway.upstreams import Upstreams
from servicekit.tokens import KeySource

FETCH_TIMEOUT_S = 4.0


def key_source(upstreams: Upstreams) -> KeySource:
    """Return the keys that verify access tokens; they fetch in threads, never on the loop."""

    def fetch() -> Mapping[str, Any]:
        document = upstreams.wait_for(
            upstreams.get_json("identity", "/identity/jwks"), FETCH_TIMEOUT_S
        )
        if not isinstance(document, dict):
            raise ValueError("the keys are not a JSON object")
        return document

    return KeySource(fetch)
