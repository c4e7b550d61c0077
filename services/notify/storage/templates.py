"""Templates and their versions; a message keeps the version that it was made with."""

from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import and_, bindparam, func, insert, select
from sqlalchemy.orm import Session

from services.notify.storage.notifications import insert_if_absent
from services.notify.storage.tables import Template

PRECOMPILED = "Pre-compiled PDF"
# built once: they run with every message
_ITS_VERSIONS = select(Template).where(
    Template.id == bindparam("of_template"), Template.service_id == bindparam("of_service")
)
_PRESENT = _ITS_VERSIONS.order_by(Template.version.desc()).limit(1)
_VERSION = _ITS_VERSIONS.where(Template.version == bindparam("of_version"))


def find(
    session: Session, service_id: str, template_id: str, version: int | None = None
) -> Template | None:
    """Return a template of the service: the present version, or the one asked for."""
    given: dict[str, Any] = {"of_template": template_id, "of_service": service_id}
    if version is not None:
        return session.scalar(_VERSION, given | {"of_version": version})
    return session.scalar(_PRESENT, given)


def lock(session: Session, service_id: str, template_id: str) -> Template | None:
    """Return the present version, and let nobody else make the next one meanwhile."""
    query = select(Template).where(Template.id == template_id, Template.service_id == service_id)
    newest_first = query.order_by(Template.version.desc()).limit(1)
    return session.scalar(newest_first.with_for_update())


def add(session: Session, **values: Any) -> None:
    """Store a version of a template."""
    session.execute(insert(Template).values(**values))


def first_made(session: Session, ids: list[str]) -> dict[str, datetime]:
    """Return when the first version of each template was made."""
    rows = session.execute(
        select(Template.id, func.min(Template.created_at))
        .where(Template.id.in_(ids))
        .group_by(Template.id)
    )
    return {row[0]: row[1] for row in rows}


def newest(session: Session, service_id: str, type_: str | None) -> list[Template]:
    """Return the present versions of the service's templates by name, then type."""
    latest = (
        select(Template.id, func.max(Template.version).label("version"))
        .where(Template.service_id == service_id)
        .group_by(Template.id)
        .subquery()
    )
    query = (
        select(Template)
        .join(latest, and_(Template.id == latest.c.id, Template.version == latest.c.version))
        .where(Template.is_archived.is_(False), Template.is_hidden.is_(False))
    )
    if type_ is not None:
        query = query.where(Template.type == type_)
    return list(session.scalars(query.order_by(Template.name, Template.type, Template.id)))


def precompiled(service_id: str) -> tuple[str, int]:
    """Return id and version of the hidden template that a service's finished letters carry."""
    family = uuid5(NAMESPACE_URL, "urn:atoll:notify:precompiled")
    return str(uuid5(family, str(UUID(service_id)))), 1


def ensure_precompiled(session: Session, service_id: str, now: datetime) -> None:
    """Make that template when the first finished letter comes."""
    template_id, version = precompiled(service_id)
    insert_if_absent(
        session,
        Template,
        id=template_id,
        version=version,
        service_id=service_id,
        type="letter",
        name=PRECOMPILED,
        subject=PRECOMPILED,
        body="",
        is_archived=False,
        is_hidden=True,
        postage="second",
        created_by="notify",
        created_at=now,
    )
