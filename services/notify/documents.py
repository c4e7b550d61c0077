"""Files by link: each is encrypted with a key of its own that only its link holds."""

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidTag

from services.notify.domain import files
from services.notify.storage.tables import Document
from services.notify.vault import KEY_BYTES, FileKey

TEST_DOCUMENT = "test-document"


@dataclass(frozen=True)
class Prepared:
    """A file ready to be stored, and the link that will open it."""

    row: dict[str, Any]
    weeks: int
    link: str

    def values(self, now: datetime) -> dict[str, Any]:
        """Return the columns of its row."""
        return self.row | {"expires_at": now + timedelta(weeks=self.weeks)}


@dataclass(frozen=True)
class Facts:
    """What is known of a file before it is handed out."""

    name: str
    mime: str
    size: int
    address: str | None

    @property
    def needs_email(self) -> bool:
        """Whether its recipient must say their email address first."""
        return self.address is not None

    def is_for(self, address: str, key: FileKey) -> bool:
        """Whether the file was sent to this address."""
        return hmac.compare_digest(self.address or "", key.fingerprint(address))


def prepare(file: files.SentFile, *, service_id: str, recipient: str, root: str) -> Prepared:
    """Encrypt a file for the recipient of an email."""
    key, document_id = FileKey(), str(uuid4())
    place = f"document/{document_id}"
    facts = {
        "name": file.name or f"file.{file.extension}",
        "mime": file.mime,
        "size": len(file.content),
        "address": key.fingerprint(recipient) if file.needs_email else None,
    }
    secret = base64.urlsafe_b64encode(key.key).decode().rstrip("=")
    return Prepared(
        {
            "id": document_id,
            "service_id": service_id,
            "sealed_facts": key.seal(f"{place}/facts", json.dumps(facts).encode()),
            "sealed_content": key.seal(f"{place}/content", file.content),
        },
        file.weeks,
        f"{root}/d/{service_id}/{document_id}?key={secret}",
    )


def simulated_link(service_id: str, root: str) -> str:
    """Return the link that a simulated recipient's email would carry."""
    return f"{root}/services/{service_id}/documents/{TEST_DOCUMENT}"


def key_of(text: str) -> FileKey | None:
    """Return the key that a link holds, or None when it is not one."""
    try:
        key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    return FileKey(key) if len(key) == KEY_BYTES else None


def facts(document: Document, key: FileKey) -> Facts | None:
    """Return what is known of a file, or None when the key is another file's."""
    try:
        found: Mapping[str, Any] = json.loads(
            key.open(f"document/{document.id}/facts", document.sealed_facts)
        )
    except InvalidTag:
        return None
    return Facts(found["name"], found["mime"], found["size"], found["address"])


def content(document: Document, key: FileKey) -> bytes:
    """Return a file's bytes."""
    return key.open(f"document/{document.id}/content", document.sealed_content)


def is_id(text: str) -> bool:
    """Whether a part of a link can be an id."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
