"""The refusals that are identity's own; the portal explains each slug to people."""

from servicekit.problems import Problem


class ConsentWithdrawn(Problem):
    """The agreement that a request relies on is no longer in force."""

    slug, title, status = "consent-withdrawn", "The agreement was withdrawn", 403


class AuthorizationRefused(Problem):
    """A request at /authorize that cannot be answered at the client's own address."""

    slug = "authorization-refused"
    title = "This sign-in request cannot be used"
    status = 400
