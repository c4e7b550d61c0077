"""A made-up Fisheries Department grants a vessel licence, with nothing but the shared APIs.
The same application never acts twice. Exit 0: done; 3: stopped at the door; 1: anything else.
"""

import argparse
import hashlib
import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import jwt
import requests

VESSEL, ISLAND, REGISTER = "Kanmathi", "K-Thulusdhoo", "/registers/fishing-vessel"


def credentials():
    """Read what `atoll credentials --json` prints: from a file, standard input, or itself."""
    if source := os.environ.get("ATOLL_CREDENTIALS"):
        return json.loads(sys.stdin.read() if source == "-" else Path(source).read_text("utf-8"))
    command = [sys.executable, "-m", "atoll", "credentials", "--json"]
    return json.loads(subprocess.check_output(command))


class Platform:
    """Calls through the gateway: one trace for the whole journey, and patience."""

    def __init__(self, given, as_json):
        self.gateway = os.environ.get("ATOLL_GATEWAY_URL") or given["gateway"]
        self.public_url, self.notify = given.get("gateway", self.gateway), given["notify"]
        clients = {client["client_id"]: client["client_secret"] for client in given["clients"]}
        self.client, self.trace = ("fisheries", clients["fisheries"]), secrets.token_hex(16)
        self.as_json, self.step, self.began = as_json, 0, time.perf_counter()
        self.http = requests.Session()
        self.http.trust_env = False  # neither a proxy nor .netrc

    def call(self, says, method, path, headers=(), **options):
        """Send a request, again for a while if a part is down, and say what it did."""
        trace = {"traceparent": f"00-{self.trace}-{secrets.token_hex(8)}-01"}
        options |= {"url": self.gateway + path, "headers": trace | dict(headers), "timeout": 5}
        began = time.perf_counter()
        for wait in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 0):  # whatever is sent twice acts once
            try:
                answer = self.http.request(method, **options)
                if answer.status_code not in (502, 503, 504):
                    break
            except (requests.ConnectionError, requests.Timeout):
                answer = None
            time.sleep(wait)
        if answer is None:
            sys.exit(f"Nothing answers at {self.gateway}. Start it with: atoll up")
        body = answer.json() if "json" in answer.headers.get("Content-Type", "") else {}
        if answer.status_code < 400:
            self.tell(says.format(**body), began, answer.status_code)
            return body
        reason = body.get("detail") or body.get("error_description") or body.get("errors")
        self.tell(f"Stopped at {path}: {reason or answer.reason}", began, answer.status_code)
        sys.exit(3 if answer.status_code == 403 else 1)

    def tell(self, says, began, status=None):
        self.step, ms = self.step + 1, round((time.perf_counter() - began) * 1000)
        line = {"step": self.step, "says": says, "ms": ms, "status": status, "trace": self.trace}
        print(json.dumps(line) if self.as_json else f"{self.step:>2}  {says} {ms} ms", flush=True)

    def token(self, service, scope):
        """Prove who we are (client credentials, RFC 6749 4.4) and return the header to send."""
        form = {"grant_type": "client_credentials", "scope": scope}
        form |= {"resource": f"urn:atoll:{service}"}
        says = f"The Fisheries Department proved who it is to identity, to use {service}."
        answer = self.call(says, "POST", "/identity/token", data=form, auth=self.client)
        return {"Authorization": f"Bearer {answer['access_token']}"}

    def send(self, kind, says, words, **form):
        """Send a message by notify's own API; the API key signs a short-lived token (HS256)."""
        key, once = self.notify["api_keys"]["live"], f"{form['reference']}-{kind}"
        token = jwt.encode({"iss": key[-73:-37], "iat": int(time.time())}, key[-36:], "HS256")
        sent = {"Authorization": f"Bearer {token}", "Idempotency-Key": once}
        form |= {"template_id": self.notify["templates"][kind], "personalisation": words}
        self.call(says, "POST", f"/v2/notifications/{kind}", sent, json=form)


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
    custodian = atoll.token("registers", "registers.read registers.append")
    says = "It looked up the home island, {name}, in registers. Public data, no purpose needed."
    island = atoll.call(says, "GET", f"/registers/island/records/{ISLAND}", custodian)
    reader = atoll.token("identity", "identity.consents identity.contact")
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
    atoll.send("sms", says + "text.", words, reference=application, phone_number=owner["phone"])
    atoll.send("email", says + "email.", words, reference=application, email_address=owner["email"])
    if not atoll.as_json:
        print(f"\nLicence {item['licence']} granted in {time.perf_counter() - atoll.began:.2f} s.")
        print(f"Every call, drawn: {atoll.public_url}/portal/happened?trace={atoll.trace}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--application", default=f"A-{secrets.token_hex(4)}", metavar="ID")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args()
    journey(Platform(credentials(), options.json), options.application)
