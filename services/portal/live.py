"""Parts of pages that a script asks for again and again: answered with a tag, or 304."""

import hashlib

from flask import Response, request


def fragment(html: str) -> Response:
    """Answer a part of a page, or nothing when the asker already has it."""
    response = Response(html, mimetype="text/html")
    response.set_etag(hashlib.sha256(html.encode("utf-8", "replace")).hexdigest()[:32])
    response.headers["Cache-Control"] = "no-cache, private"
    response.make_conditional(request)
    return response
