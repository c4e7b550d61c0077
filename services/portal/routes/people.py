"""Pages of one person: signing in and out, the inbox, who looked at my data."""

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from servicekit import access
from servicekit.pages import address, language
from services.portal.browser import become, browser_id, check_form, person, signed_in
from services.portal.components import components
from services.portal.domain.pkce import safe_return
from services.portal.exchanges_client import OWN
from services.portal.notify_client import CHANNELS, INBOX
from services.portal.panels import panel

pages = Blueprint("people", __name__)
_MAX_CURSOR = 200


@pages.get("/portal/sign-in")
@access.public
def sign_in() -> Response:
    """Send the browser to identity; it comes back to the page that it wanted."""
    back = safe_return(request.args.get("back"))
    return redirect(components().sessions.begin(browser_id(), back, language()), 303)


@pages.get("/portal/callback")
@access.public
def callback() -> Response:
    """Take identity's answer and open the session under a new cookie."""
    new_id, back = components().sessions.finish(browser_id(), request.args.to_dict())
    become(new_id)
    return redirect(back, 303)


@pages.post("/portal/sign-out")
@access.public
def sign_out() -> Response:
    """Close the session here, then at identity."""
    check_form()
    hint = components().sessions.end(browser_id())
    public_url = components().settings.public_url
    query = {"id_token_hint": hint, "post_logout_redirect_uri": f"{public_url}/"} if hint else {}
    return redirect(address("/identity/sign-out", **query), 303)


@pages.get("/portal/inbox")
@signed_in
def inbox() -> str:
    """Show the person's own messages: phone, email or letters."""
    channel = request.args.get("channel", "sms")
    channel = channel if channel in CHANNELS else "sms"
    before = request.args.get("before", "")[:_MAX_CURSOR] or None
    who = person()

    def fetch() -> object:
        token = components().sessions.token(who, "notify", INBOX)
        return components().notify.inbox(token, channel, before=before)

    return render_template(
        "inbox.html", messages=panel(fetch), channel=channel, channels=CHANNELS, who=who
    )


@pages.get("/portal/my-data")
@signed_in
def my_data() -> str:
    """Show the person who looked at her data, why and on what ground."""
    before = request.args.get("before", "")
    who = person()

    def fetch() -> object:
        token = components().sessions.token(who, "gateway", OWN)
        return components().exchanges.own(token, before=before if before.isdecimal() else None)

    return render_template("my_data.html", seen=panel(fetch), who=who)
