"""What every view works with: the database and the clock of its application."""

from dataclasses import dataclass
from typing import cast

from flask import current_app
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.problems import NotFound
from services.registers.domain import governance, keys
from services.registers.routes import roles
from services.registers.storage import heads


@dataclass(frozen=True)
class State:
    """The collaborators of one application."""

    database: Database
    clock: Clock


def database() -> Database:
    """Return the application's database."""
    return cast(State, current_app.extensions["registers"]).database


def clock() -> Clock:
    """Return the application's clock."""
    return cast(State, current_app.extensions["registers"]).clock


def register_or_404(session: Session, name: str) -> RowMapping:
    """Return a register with the state of its log, or raise NotFound; drafts for their keepers."""
    found = heads.find_register(session, name) if keys.is_name(name) else None
    if found is not None and found["state"] == governance.DRAFT and not roles.may_see_draft(name):
        found = None
    if found is None:
        raise NotFound("There is no register of this name. The list of registers is at /registers.")
    return found
