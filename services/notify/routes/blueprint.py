"""The two blueprints: one answers errors in the v2 envelope, the other as problem+json."""

from flask import Blueprint, Response, g

from services.notify.errors import install_in

v2 = Blueprint("v2", __name__)
own = Blueprint("own", __name__)
install_in(v2)


@v2.after_request
def name_the_caller(response: Response) -> Response:
    """Tell the gateway whose key it was, for the exchange log (wire section 6)."""
    if caller := g.get("notify_caller"):
        response.headers["Atoll-Caller"] = caller.service.name_id
    return response
