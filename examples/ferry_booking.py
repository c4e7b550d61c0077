"""A made-up Ferry Operator, an outside business, sells a ticket with nothing but the shared APIs.

It signs its passenger in, reads the islands, sends the ticket by text to the number that the
passenger gives, and learns that the door shows it nothing else about the passenger. The same
booking never sends twice. Exit 0: done; 3: stopped at the door; 1: anything else.
"""

import argparse
import datetime
import hashlib
import secrets
import time

from platform_client import Platform, credentials

PASSENGER, NUMBER = "ibrahim", "+9607000102"  # as the passenger types it into the booking
MALDIVES = datetime.timezone(datetime.timedelta(hours=5))
FROM, TO = "K-Thulusdhoo", "MLE-Male"


def book(atoll, booking):
    """Sell one ticket."""
    ticket = "FERRY-" + hashlib.sha256(booking.encode()).hexdigest()[:6].upper()
    says = "The passenger signed in with identity; the ferry never saw the password."
    signed_in = atoll.sign_in(PASSENGER, "openid profile", says)
    person = {"Authorization": f"Bearer {signed_in['access_token']}"}
    says = "It asked identity who signed in: {name}."
    passenger = atoll.call(says, "GET", "/identity/userinfo", person)

    says = "The Ferry Operator proved who it is to identity, to read registers."
    reader = atoll.token("registers", "registers.read", says)
    says, path = (
        "It read the island {name} from registers. Public data.",
        "/registers/island/records",
    )
    names = [atoll.call(says, "GET", f"{path}/{key}", reader)["name"] for key in (FROM, TO)]

    told = {"ticket": ticket, "from": names[0], "to": names[1]}
    tomorrow = datetime.datetime.now(MALDIVES) + datetime.timedelta(days=1)
    told["day"] = tomorrow.date().isoformat()
    says = f"It asked notify to send the ticket to {passenger['name']} by text."
    atoll.message("sms", says, told, booking, reference=booking, phone_number=NUMBER)

    says = "It read the passenger's contact details."  # which must not happen
    refused = "It also asked for the passenger's contact details, and the door refused."
    asked = person | {"Atoll-Purpose": "own-data"}
    if atoll.call(says, "GET", "/identity/contact-details", asked, refused=refused) is not None:
        raise SystemExit("The door let the ferry read personal data. That must never happen.")
    if not atoll.as_json:
        print(f"\nTicket {ticket} sold in {time.perf_counter() - atoll.began:.2f} s.")
        print(f"Every call, drawn: {atoll.public_url}/portal/happened?trace={atoll.trace}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--application", default=f"F-{secrets.token_hex(4)}", metavar="ID")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args()
    book(Platform(credentials(), "ferry-operator", options.json), options.application)
