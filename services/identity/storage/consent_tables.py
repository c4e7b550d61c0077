"""Tables of consent: every version of an agreement, and questions about who looked."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.identity.storage.tables import Base


class AgreementVersion(Base):
    """What an agreement said from a moment on. Rows are added, never changed."""

    __tablename__ = "agreement_versions"

    agreement_id: Mapped[str] = mapped_column(ForeignKey("agreements.id"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    change: Mapped[str] = mapped_column(String(12))  # given, changed, withdrawn
    items: Mapped[list[str]]
    until: Mapped[datetime]


class Question(Base):
    """What a person asks a service about one entry of the exchange log, and its answer."""

    __tablename__ = "questions"
    __table_args__ = (UniqueConstraint("sub", "exchange", name="uq_questions_sub_exchange"),)

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    sub: Mapped[str] = mapped_column(ForeignKey("people.sub"), index=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id"), index=True)
    exchange: Mapped[str] = mapped_column(String(32))
    about: Mapped[dict[str, Any]]  # when, what for and what, as the person was shown it
    words: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime]
    answer: Mapped[str | None] = mapped_column(Text)
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str | None] = mapped_column(String(22))
