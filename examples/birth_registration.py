"""A made-up Island Council records a birth once, with nothing but the shared APIs.

The parent signs in and agrees to what the council asks for; the council enters a notice without
names in a register; three agencies learn of it from that one entry, and the parent gets a letter.
The same application never acts twice. Exit 0: done; 3: stopped at the door; 1: anything else.
"""

import argparse
import hashlib
import secrets
import sys
import time

from platform_client import Platform, credentials

PARENT, CHILD, BORN = "mariyam", "Ali", "2026-11"  # the child's name stays with the council
WHY = "birth-registration"
AGENCIES = {
    "statistics": "The Bureau of Statistics",
    "health-agency": "The Health Agency",
    "national-registration": "National Registration",
}


def register(atoll, application):
    """Record one birth."""
    number = f"DEMO-BIRTH-{hashlib.sha256(application.encode()).hexdigest()[:8].upper()}"
    says = "The parent signed in with identity and agreed; the council never saw the password."
    atoll.sign_in(PARENT, "openid profile identity.contact", says, purpose=WHY)

    proved = "The Island Council proved who it is to identity, to use {}."
    scope = "identity.consents identity.contact"
    reader = atoll.token("identity", scope, proved.format("identity"))
    says, path = "It asked identity what the parent agreed to.", "/identity/agreements"
    agreed = atoll.call(says, "GET", f"{path}?purpose={WHY}", reader)["agreements"]
    reader |= {"Atoll-Purpose": WHY}
    if agreed:  # the newest; whether it still holds is decided at the door
        reader |= {"Atoll-Subject": agreed[0]["subject"], "Atoll-Consent": agreed[0]["id"]}
    says = "It read the contact details of {name} from identity. She agreed to this."
    parent = atoll.call(says, "GET", "/identity/contact-details", reader)

    scope = "registers.read registers.append"
    custodian = atoll.token("registers", scope, proved.format("registers"))
    says, home = "It read {name} from registers.", parent["home_island"].removeprefix("island:")
    island = atoll.call(says, "GET", f"/registers/island/records/{home}", custodian)
    place = island["atoll"].removeprefix("atoll:")
    place = atoll.call(says, "GET", f"/registers/atoll/records/{place}", custodian)

    item = {"birth": number, "island": f"island:{home}", "born": BORN}
    once = custodian | {"Idempotency-Key": application}
    says = "It entered the birth, without names, in registers as entry {entry[entry-number]}."
    entry = atoll.call(says, "POST", "/registers/birth/entries", once, json={"item": item})["entry"]
    for client, agency in AGENCIES.items():
        learn(atoll, client, agency, int(entry["entry-number"]), number)

    words = {"child": CHILD, "born": BORN, "number": number, "address_line_1": parent["name"]}
    words |= {"address_line_2": island["name"], "address_line_3": f"{place['name']} Atoll"}
    says = f"It asked notify to send {parent['name']} the certificate by letter."
    atoll.message("letter", says, words, application, reference=application)
    if not atoll.as_json:
        print(f"\nBirth {number} recorded once in {time.perf_counter() - atoll.began:.2f} s.")
        print(f"Every call, drawn: {atoll.public_url}/portal/happened?trace={atoll.trace}")


def learn(atoll, client, agency, news, number):
    """Let an agency read what is new since it last looked; it must meet the birth exactly once."""
    says = f"{agency} proved who it is to identity, to read registers."
    reader = atoll.token("registers", "registers.read", says, client)
    says = f"{agency} read what is new in the council's notices and learned of the birth."
    entries = atoll.call(says, "GET", f"/registers/birth/entries?start={news}&limit=100", reader)
    if [entry["key"] for entry in entries].count(number) != 1:
        sys.exit(f"{agency} did not learn of the birth exactly once.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--application", default=f"B-{secrets.token_hex(4)}", metavar="ID")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args()
    register(Platform(credentials(), "island-council", options.json), options.application)
