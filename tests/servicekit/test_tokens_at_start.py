"""The first calls after a start come together; none is refused because another fetches the keys."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from servicekit.tokens import KeySource, Verifier
from tests.support.issuer import FakeIssuer


def test_calls_that_come_together_at_start_wait_for_one_fetch(issuer: FakeIssuer) -> None:
    def fetch() -> dict[str, object]:
        time.sleep(0.1)
        return issuer.jwks()

    verifier = Verifier(KeySource(fetch), issuer.issuer)
    tokens = [issuer.token("registers") for _ in range(8)]
    start = threading.Barrier(8)

    def verify(text: str) -> str:
        start.wait()
        return verifier.verify(text, "urn:atoll:registers").subject

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(verify, tokens)) == ["test-client"] * 8
    assert issuer.fetches == 1
