"""A made-up Fisheries Department grants a vessel licence, with nothing but the shared APIs.
The same application never acts twice. Exit 0: done; 3: stopped at the door; 1: anything else.
"""

import argparse
import hashlib
import secrets
import sys
import time

from platform_client import Platform, credentials

VESSEL, ISLAND, REGISTER = "Kanmathi", "K-Thulusdhoo", "/registers/fishing-vessel"


def tagged(tag, data):
    return hashlib.sha256(tag + (data if isinstance(data, bytes) else data.encode())).digest()


def leaf(entry, item):
    """Hash an entry ourselves: objecthash of the item, then of the entry, then a leaf."""
    pairs = sorted(tagged(b"u", name) + tagged(b"u", value) for name, value in item.items())
    blob = tagged(b"r", b"\x12\x20" + tagged(b"d", b"".join(pairs)))
    parts = tagged(b"i", str(entry["entry-number"])) + tagged(b"u", entry["key"])
    return tagged(b"\x00", tagged(b"l", parts + tagged(b"t", entry["entry-timestamp"]) + blob))


def climb(value, place, size, path):
    """Return the root that the audit path leads to (RFC 6962 2.1.1), or nothing."""
    if size == 1 or not path:
        return value if size == 1 and not path else b""
    split, other = 1 << (size - 1).bit_length() - 1, bytes.fromhex(path[-1][4:])
    if place < split:
        return tagged(b"\x01", climb(value, place, split, path[:-1]) + other)
    return tagged(b"\x01", other + climb(value, place - split, size - split, path[:-1]))


def journey(atoll, application):
    number = hashlib.sha256(application.encode()).hexdigest()[:8].upper()
    item = {"fishing-vessel": f"DEMO-{number}", "name": VESSEL, "length-m": "11.4"}
    item |= {"home-island": f"island:{ISLAND}", "licence": f"DEMO-LICENCE-{number}"}
    proved = "The Fisheries Department proved who it is to identity, to use {}."
    scope = "registers.read registers.append"
    custodian = atoll.token("registers", scope, proved.format("registers"))
    says = "It looked up the home island, {name}, in registers. Public data, no purpose needed."
    island = atoll.call(says, "GET", f"/registers/island/records/{ISLAND}", custodian)
    scope = "identity.consents identity.contact"
    reader = atoll.token("identity", scope, proved.format("identity"))
    says, path = "It asked identity what the owner agreed to.", "/identity/agreements"
    agreed = atoll.call(says, "GET", f"{path}?purpose=vessel-licence", reader)["agreements"]
    reader |= {"Atoll-Purpose": "vessel-licence"}
    if agreed:  # the newest; whether it still holds is decided at the door
        reader |= {"Atoll-Subject": agreed[0]["subject"], "Atoll-Consent": agreed[0]["id"]}
    says = "It read the contact details of {name} from identity. She agreed to this."
    owner = atoll.call(says, "GET", "/identity/contact-details", reader)
    once = custodian | {"Idempotency-Key": application}
    says = f"It entered the vessel {VESSEL} in registers, as entry {{entry[entry-number]}}."
    entry = atoll.call(says, "POST", f"{REGISTER}/entries", once, json={"item": item})["entry"]
    says, proofs = "It read the register's fingerprint.", f"{REGISTER}/proofs"
    head = atoll.call(says, "GET", f"{proofs}/register", custodian)
    says, size = "It asked registers to prove that the entry is in.", int(head["total-entries"])
    proof = f"{proofs}/entries/{entry['entry-number']}/{size}"
    path, began = atoll.call(says, "GET", proof, custodian)["audit-path"], time.perf_counter()
    root = climb(leaf(entry, item), int(entry["entry-number"]) - 1, size, path).hex()
    if head["root-hash"] != f"1220{root}":
        sys.exit("The proof does not lead to the register's fingerprint. Do not trust the entry.")
    atoll.tell(f"It checked the proof itself: {len(path)} hashes lead there.", began)
    words = {"vessel": VESSEL, "licence": item["licence"], "island": island["name"]}
    words["name"], says = owner["name"], f"It asked notify to tell {owner['name']} by "
    sent = {"words": words, "once": application, "reference": application}
    atoll.message("sms", says + "text.", phone_number=owner["phone"], **sent)
    atoll.message("email", says + "email.", email_address=owner["email"], **sent)
    if not atoll.as_json:
        print(f"\nLicence {item['licence']} granted in {time.perf_counter() - atoll.began:.2f} s.")
        print(f"Every call, drawn: {atoll.public_url}/portal/happened?trace={atoll.trace}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--application", default=f"A-{secrets.token_hex(4)}", metavar="ID")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args()
    journey(Platform(credentials(), "fisheries", options.json), options.application)
