"""Pages that people see: base template, stylesheet, language switch, error pages, form safety."""

import hashlib
import hmac
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml
from flask import Flask, Response, current_app, make_response, render_template, request, send_file
from jinja2 import ChoiceLoader, FileSystemLoader, PackageLoader, PrefixLoader
from markupsafe import Markup, escape
from werkzeug.security import safe_join

from servicekit import access
from servicekit.problems import Forbidden, NotFound, Problem

LANGUAGES: Mapping[str, Mapping[str, str]] = {
    "en": {"name": "English", "direction": "ltr"},
    "dv": {"name": "ދިވެހި", "direction": "rtl"},
}
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_SHARED = Path(__file__).parent / "static"


def install_pages(app: Flask, name: str) -> None:
    """Give a service its pages: templates, texts (``templates/texts.yaml``), files, headers.

    A template imports a macro as ``govuk_frontend_jinja/components/button/macro.html``.
    Texts may also stand in ``templates/texts/<area>.yaml``.
    Files of ``static/`` beside the service are served under ``/<name>/static/``, the shared
    stylesheet among them. Every page gets ``t`` (texts), ``lang``, ``direction``, ``url``
    (an address in the page's language) and ``asset`` (an address that changes with the file).
    """
    own = Path(app.root_path)
    app.jinja_env.loader = ChoiceLoader(
        [
            FileSystemLoader(own / "templates"),
            PackageLoader("servicekit.pages"),
            PrefixLoader({"govuk_frontend_jinja": PackageLoader("govuk_frontend_jinja")}),
        ]
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.config["ATOLL_TEXTS"] = {
        **_texts(Path(__file__).parent / "templates" / "texts.yaml"),
        **_texts(own / "templates" / "texts.yaml"),
        **_all_texts(own / "templates" / "texts"),
    }

    def find(file: str) -> Path:
        for folder in (own / "static", _SHARED):
            path = safe_join(str(folder), file)
            if path and Path(path).is_file():
                return Path(path)
        raise NotFound("There is no such file.")

    @cache
    def fingerprint(file: str) -> str:
        return hashlib.sha256(find(file).read_bytes()).hexdigest()[:12]

    @app.get(f"/{name}/static/<path:file>")
    @access.public
    def static(file: str) -> Response:
        response = send_file(find(file))
        response.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable"
            if request.args.get("v") == fingerprint(file)
            else "no-cache"
        )
        return response

    @app.context_processor
    def values() -> dict[str, Any]:
        return {
            "t": text,
            "lang": language(),
            "direction": LANGUAGES[language()]["direction"],
            "languages": LANGUAGES,
            "url": address,
            "same_page": same_page,
            "asset": lambda file: f"/{name}/static/{file}?v={fingerprint(file)}",
        }

    @app.after_request
    def protect(response: Response) -> Response:
        if response.mimetype == "text/html":
            response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return response


@cache  # the parser is slow
def _texts(path: Path) -> dict[str, dict[str, str]]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.is_file() else {}


def _all_texts(folder: Path) -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = {}
    for path in sorted(folder.glob("*.yaml")):
        texts |= _texts(path)
    return texts


def language() -> str:
    """Return the page's language: ``lang`` in the address, else ``ui_locales``, else English."""
    for given in (request.args.get("lang", ""), *request.args.get("ui_locales", "").split()):
        if given in LANGUAGES:
            return given
    return "en"


def text(key: str, /, **values: Any) -> Markup:
    """Return a text in the page's language; values are escaped, ``{name}`` marks their places."""
    found = current_app.config["ATOLL_TEXTS"][key]
    words = found.get(language()) or found["en"]
    return Markup(words).format(  # noqa: S704 (our own text; values are escaped)
        **{name: escape(value) for name, value in values.items()}
    )


def address(path: str, **query: Any) -> str:
    """Return a path of this platform with a query, in the page's language."""
    if language() != "en":
        query["lang"] = language()
    return f"{path}?{urlencode(query)}" if query else path


def same_page(other_language: str) -> str:
    """Return the address of the present page in another language."""
    query = {name: value for name, value in request.args.items() if name != "lang"}
    if other_language != "en":
        query["lang"] = other_language
    return f"{request.path}?{urlencode(query)}" if query else request.path


def show_problem(problem: Problem) -> Response | None:
    """Answer a Problem as a page where the caller is a browser; None leaves it to problem+json."""
    best = request.accept_mimetypes.best_match(["application/json", "text/html"])
    if best != "text/html":
        return None
    response = make_response(render_template("problem.html", problem=problem))
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


def form_token(key: str, session_id: str) -> str:
    """Return the CSRF token that belongs to one session."""
    return hmac.new(key.encode(), b"form:" + session_id.encode(), hashlib.sha256).hexdigest()


def check_form(key: str, session_id: str, public_url: str) -> None:
    """Refuse a form that did not come from our own page in this session.

    Looks at the CSRF token (field ``form_token``), the Origin and Sec-Fetch-Site headers.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    public = urlsplit(public_url)
    given = request.form.get("form_token", "")
    # browsers hide the origin of our own forms, too ("null"), because our pages send no referrer
    known = {None, f"{public.scheme}://{public.netloc}"} | (
        {"null"} if site == "same-origin" else set()
    )
    if (
        site not in (None, "same-origin", "none")
        or origin not in known
        or not hmac.compare_digest(given.encode(), form_token(key, session_id).encode())
    ):
        raise Forbidden(
            "This form is out of date or came from another site. "
            "Nothing was changed. Open the page again and send it once more."
        )
