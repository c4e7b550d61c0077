"""The gateway's policy as most teams would write it first: Flask, requests, PyJWT."""

import os
import secrets
import threading
import time

import jwt
import requests
from flask import Flask, Response, request

app = Flask(__name__)
KEY = open(os.environ["BENCH_KEY"]).read()  # noqa: SIM115, PTH123
UPSTREAM = os.environ["BENCH_UPSTREAM"]
verified: dict[str, dict[str, str]] = {}
counted: dict[str, int] = {}
local = threading.local()


@app.get("/registers/<path:rest>")
def forward(rest: str) -> Response:
    token = request.headers.get("Authorization", "")[7:]
    claims = verified.get(token)
    if claims is None or claims["exp"] < time.time():
        try:
            claims = jwt.decode(token, KEY, algorithms=["ES256"], audience="urn:atoll:registers")
        except jwt.PyJWTError:
            return Response(status=401)
        verified[token] = claims
    if "registers.read" not in claims["scope"].split():
        return Response(status=403)
    counted[claims["client_id"]] = counted.get(claims["client_id"], 0) + 1
    if not hasattr(local, "http"):
        local.http = requests.Session()
    answer = local.http.get(
        f"{UPSTREAM}/registers/{rest}",
        headers={
            "Atoll-Caller": claims["client_id"],
            "traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
        },
        timeout=5,
    )
    return Response(answer.content, answer.status_code, {"Content-Type": "application/json"})
