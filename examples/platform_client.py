"""What the examples share, in standard terms: HTTP, OAuth 2, OpenID Connect, a JWT for notify."""

import base64
import hashlib
import html
import json
import os
import re
import secrets
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pyotp
import requests

FORM = re.compile(r'<form action="([^"]+)" method="post" id="form"[^>]*>(.*?)</form>', re.S)
PATIENCE = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)  # seconds between two tries
LATER = "Notify is away; run this again with the same application, and the message goes out, once."
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


def credentials():
    """Read what `atoll credentials --json` prints: from a file, standard input, or itself."""
    if source := os.environ.get("ATOLL_CREDENTIALS"):
        return json.loads(sys.stdin.read() if source == "-" else Path(source).read_text("utf-8"))
    command = [sys.executable, "-m", "atoll", "credentials", "--json"]
    return json.loads(subprocess.check_output(command))


class Platform:
    """Calls through the gateway: one trace for the whole journey, and patience."""

    def __init__(self, given, name, as_json=False):
        self.gateway = os.environ.get("ATOLL_GATEWAY_URL") or given["gateway"]
        self.issuer = given["issuer"]
        self.public_url = self.issuer.removesuffix("/identity")  # where browsers reach the platform
        self.notify = given.get("notify_services", {}).get(name) or given.get("notify")
        self.clients = {client["client_id"]: client for client in given["clients"]}
        self.people = {person["username"]: person for person in given.get("people", ())}
        self.name, self.as_json, self.trace = name, as_json, secrets.token_hex(16)
        self.step, self.began, self.http = 0, time.perf_counter(), requests.Session()
        self.http.trust_env = False  # neither a proxy nor .netrc

    def call(self, says, method, path, headers=(), refused=None, away=None, **options):
        """Send a request, again for a while if a part is down, and say what it did.

        refused, away: what to say, and then go on, when the door refuses or a service stays down.
        """
        began, url = time.perf_counter(), self.gateway + path
        answer = self.send(method, url, headers, PATIENCE[: 5 if away else None], **options)
        body = answer.json() if "json" in answer.headers.get("Content-Type", "") else {}
        if answer.status_code < 400:
            self.tell(says.format(**body) if isinstance(body, dict) else says, began, answer)
            return body
        errors = " ".join(str(one.get("message") or one) for one in body.get("errors", ()))
        reason = body.get("detail") or body.get("error_description") or errors
        if said := {403: refused, 502: away, 503: away, 504: away}.get(answer.status_code):
            return self.tell(f"{said} {reason}", began, answer)
        self.tell(f"Stopped at {path}: {reason or answer.reason}", began, answer)
        sys.exit(3 if answer.status_code == 403 else 1)

    def send(self, method, url, headers=(), patience=PATIENCE, **options):
        """Send one request; whatever is sent twice must act once."""
        trace = {"traceparent": f"00-{self.trace}-{secrets.token_hex(8)}-01"}
        options |= {"url": url, "headers": trace | dict(headers), "timeout": 5}
        answer = None
        for wait in (*patience, 0):
            try:
                answer = self.http.request(method, allow_redirects=False, **options)
                if answer.status_code not in (502, 503, 504):
                    return answer
            except (requests.ConnectionError, requests.Timeout):
                answer = None
            time.sleep(wait)
        return sys.exit(f"Nothing answers at {self.gateway}.") if answer is None else answer

    def tell(self, says, began, answer=None):
        """Print one line for people, or one JSON object for programs."""
        self.step, ms = self.step + 1, round((time.perf_counter() - began) * 1000)
        status = answer.status_code if answer is not None else None
        line = {"step": self.step, "says": says, "ms": ms, "status": status, "trace": self.trace}
        print(json.dumps(line) if self.as_json else f"{self.step:>2}  {says} {ms} ms", flush=True)

    def token(self, service, scope, says, client=None):
        """Prove who we are (client credentials, RFC 6749 4.4) and return the header to send."""
        form = {"grant_type": "client_credentials", "scope": scope}
        form["resource"] = f"urn:atoll:{service}"
        answer = self.call(says, "POST", "/identity/token", data=form, auth=self._client(client))
        return {"Authorization": f"Bearer {answer['access_token']}"}

    def message(self, kind, says, words, once, **form):
        """Send a message by notify's own API; the API key signs a short-lived token (HS256)."""
        key = self.notify["api_keys"]["live"]
        token = jwt.encode({"iss": key[-73:-37], "iat": int(time.time())}, key[-36:], "HS256")
        sent = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"{once}-{kind}"}
        form |= {"template_id": self.notify["templates"][kind], "personalisation": words}
        self.call(says, "POST", f"/v2/notifications/{kind}", sent, away=LATER, json=form)

    def sign_in(self, username, scope, says, **asked):
        """Let a person sign in as a browser does (code flow with PKCE); return the token answer."""
        began, client = time.perf_counter(), self.clients[self.name]
        verifier, state = secrets.token_urlsafe(32), secrets.token_urlsafe(16)
        digest = hashlib.sha256(verifier.encode()).digest()
        asked |= {"response_type": "code", "client_id": self.name, "scope": scope, "state": state}
        asked |= {"redirect_uri": client["redirect_uris"][0], "code_challenge_method": "S256"}
        asked["code_challenge"] = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        place = f"{self.issuer}/authorize?{urlencode(asked, doseq=True)}"
        back = parse_qs(urlsplit(self._browse(place, username, asked["redirect_uri"])).query)
        if back.get("state") != [state] or back.get("iss") != [self.issuer] or "code" not in back:
            sys.exit(f"{username} did not sign in: {back.get('error_description', back)}")
        form = {"grant_type": "authorization_code", "code": back["code"][0]}
        form |= {"redirect_uri": asked["redirect_uri"], "code_verifier": verifier}
        form |= {"resource": asked["resource"]} if "resource" in asked else {}
        self.tell(says, began)
        says, auth = "It got a token in that person's name from identity.", self._client()
        return self.call(says, "POST", "/identity/token", data=form, auth=auth)

    def _browse(self, place, username, end):
        """Follow pages and send their forms until the way leads back to the program."""
        person, tries, own = self.people[username], 0, {"Origin": self.public_url}
        totp, password = pyotp.TOTP(person["totp_secret"]), person["password"]
        typed = {"username": username, "password": password, "decision": "agree"}
        while not place.startswith(end):
            answer = self.send("GET", self._inside(place))
            while "location" not in answer.headers:
                form = FORM.search(answer.text)
                if form is None or tries > 3:
                    sys.exit(f"Signing in stopped at a page that was not expected: {place}")
                if tries and answer.status_code >= 400:  # a one-time code works once
                    print("    … waiting for the next one-time code", file=sys.stderr, flush=True)
                    time.sleep(totp.interval - time.time() % totp.interval)
                fields = {name: html.unescape(value) for name, value in HIDDEN.findall(form[2])}
                fields |= typed | {"code": totp.now()}
                place, tries = html.unescape(form[1]), tries + 1
                answer = self.send("POST", self._inside(place), own, data=fields)
            place = answer.headers["location"]
        self.http.cookies.clear()
        return place

    def _inside(self, address):
        """Reach the platform's own pages where this program reaches the gateway."""
        return self.gateway + address.removeprefix(self.public_url)

    def _client(self, name=None):
        return name or self.name, self.clients[name or self.name]["client_secret"]
