"""Identity is away for ten minutes: who was verified before goes on working; an hour is the end."""

import time
from pathlib import Path

from tests.gateway.harness import Door, Reply, Request, door, in_loop, until

INBOX = Reply(headers={"Atoll-Subject": "person-1", "Atoll-Categories": "messages"})


def go_on(it: Door, seconds: float) -> None:
    """Let time pass for everything that looks at a clock when it verifies or decides."""
    verifier, feed = it.plane.verifier, it.plane.feed
    verifier._now = lambda: time.time() + seconds
    verifier._keys._monotonic = lambda: time.monotonic() + seconds
    feed._monotonic = lambda: time.monotonic() + seconds


@in_loop
async def test_verified_callers_work_through_ten_minutes_without_identity(tmp_path: Path) -> None:
    def notify(request: Request) -> Reply:
        return INBOX if request.path == "/notify/inbox" else Reply()

    async with door(tmp_path, {"notify": notify}, probe_every_s=0.05) as it:
        machine = it.issuer.headers("registers", client_id="fisheries")
        person = it.issuer.headers("notify", "notify.inbox", subject="person-1") | {
            "Atoll-Purpose": "own-data"
        }
        assert (await it.get("/registers", machine)).status == 200
        it.services["identity"].answer = lambda request: Reply(503)
        asked_before = len(it.services["identity"].requests)
        for minute in range(1, 11):
            go_on(it, minute * 60)
            assert (await it.get("/registers", machine)).status == 200
            assert (await it.get("/notify/inbox", person)).status == 200  # own data, recorded
            never_seen = it.issuer.headers("registers", client_id=f"client-{minute}")
            assert (await it.get("/registers", never_seen)).status == 200
            assert (await it.get("/registers")).status == 200
        await until(lambda: len(it.services["identity"].requests) > asked_before)
        assert not it.plane.feed.is_fresh()
        consent = {"Atoll-Consent": "c", "Atoll-Subject": "p", "Atoll-Purpose": "vessel-licence"}
        asked = it.issuer.headers("identity", "identity.contact", client_id="fisheries") | consent
        refused = await it.get("/identity/contact-details", asked)
        assert (refused.status, refused.slug) == (503, "consents-stale")  # nobody can say
        assert len(await it.log()) >= 41

        go_on(it, 3601)  # keys that nobody has confirmed for an hour verify nothing more
        late = it.issuer.headers("registers", client_id="late")
        assert (await it.get("/registers", late)).status == 401
