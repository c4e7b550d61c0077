"""Where a person can be sent after a sign-in: our own pages by name, never an address that came."""

from flask import request

PLACES = {
    "consents": "/identity/consents",
    "factors": "/identity/factors",
    "devices": "/identity/devices",
    "history": "/identity/history",
    "my-data": "/portal/my-data",
}
DEFAULT = "consents"


def wanted() -> str:
    """Return the path of the page that ``to`` names, or the ordinary one."""
    return PLACES.get(request.args.get("to", ""), PLACES[DEFAULT])
