"""Services, their keys, the people they may reach with a team key, and their templates."""

from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from services.notify.storage.tables import ApiKey, Guest, Service, Template

REVOKED_KEYS_ARE_NAMED_FOR = timedelta(days=7)


def find(session: Session, service_id: str) -> Service | None:
    """Return a service or None."""
    return session.get(Service, service_id)


def keys(session: Session, service_id: str, now: datetime) -> list[ApiKey]:
    """Return a service's keys that a call may be signed with, oldest first.

    Lately revoked ones are among them, so that their holder is told.
    """
    return list(
        session.scalars(
            select(ApiKey)
            .where(
                ApiKey.service_id == service_id,
                or_(
                    ApiKey.revoked_at.is_(None),
                    ApiKey.revoked_at > now - REVOKED_KEYS_ARE_NAMED_FOR,
                ),
            )
            .order_by(ApiKey.created_at, ApiKey.id)
        )
    )


def is_guest(session: Session, service_id: str, recipient_index: str) -> bool:
    """Whether a team key of the service may reach this recipient."""
    return session.get(Guest, (service_id, recipient_index)) is not None


def template(
    session: Session, service_id: str, template_id: str, version: int | None = None
) -> Template | None:
    """Return a template of the service: the present version, or the one asked for."""
    query = select(Template).where(Template.id == template_id, Template.service_id == service_id)
    if version is not None:
        query = query.where(Template.version == version)
    return session.scalar(query.order_by(Template.version.desc()).limit(1))


def first_made(session: Session, template_id: str) -> datetime | None:
    """Return when the first version of a template was made."""
    return session.scalar(select(func.min(Template.created_at)).where(Template.id == template_id))


def templates(session: Session, service_id: str, type_: str | None) -> list[Template]:
    """Return the present versions of the service's templates by name, then type."""
    newest = (
        select(Template.id, func.max(Template.version).label("version"))
        .where(Template.service_id == service_id)
        .group_by(Template.id)
        .subquery()
    )
    query = (
        select(Template)
        .join(newest, and_(Template.id == newest.c.id, Template.version == newest.c.version))
        .where(Template.is_archived.is_(False))
    )
    if type_ is not None:
        query = query.where(Template.type == type_)
    return list(session.scalars(query.order_by(Template.name, Template.type)))
