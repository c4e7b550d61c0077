"""What the simulator of text providers and its callers agree on: names, weights, one key."""

import contextlib
import hashlib
import hmac

from services.notify.settings import Settings, TextProvider
from services.notify.simulator.control import Control, Unreachable

# (name, weight): made-up companies; most texts go to the first
NAMES = (("coral", 2.0), ("reef", 1.0))


def key(data_key: bytes) -> str:
    """Return the key between notify and the simulator, which both derive and nobody stores."""
    return hmac.new(data_key, b"atoll notify simulator", hashlib.sha256).hexdigest()


def reset(settings: Settings) -> None:
    """Let every simulated provider behave well again; one that is away does so by itself."""
    if settings.simulator_url is not None:
        with contextlib.suppress(Unreachable):
            Control(settings.simulator_url, key(settings.raw_data_key() or b"")).ask({})


def providers(url: str, token: str) -> list[TextProvider]:
    """Return the providers that the simulator plays."""
    return [TextProvider(name, f"{url}/{name}", token, weight) for name, weight in NAMES]
