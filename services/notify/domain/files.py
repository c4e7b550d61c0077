"""Files that a caller sends by email as a link: their options, and what kind of file they are."""

import base64
import binascii
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_BYTES = 2 * 1024 * 1024 + 1024
MAX_NAME = 100
MAX_WEEKS, USUAL_WEEKS = 78, 26
TYPES: Mapping[str, str] = {
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "odt": "application/vnd.oasis.opendocument.text",
    "pdf": "application/pdf",
    "png": "image/png",
    "rtf": "text/rtf",
    "txt": "text/plain",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
NO_EXTENSION = "`filename` must end with a file extension. For example, filename.csv"
_OPTIONS = ("file", "filename", "is_csv", "confirm_email_before_download", "retention_period")
_WEEKS = re.compile(r"([1-9][0-9]?) weeks?")
_STARTS = (
    (b"%PDF-", "pdf"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"{\\rtf", "rtf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "doc"),
)
_OTHER_STARTS = (
    (b"PK\x03\x04", "application/zip"),
    (b"GIF8", "image/gif"),
    (b"MZ", "application/x-dosexec"),
    (b"\x7fELF", "application/x-executable"),
    (b"\x1f\x8b", "application/gzip"),
)
_MARKUP = re.compile(rb"\s*<(!doctype html|html|script|svg|\?xml)", re.IGNORECASE)
_INSIDE_ZIP = {"word/document.xml": "docx", "xl/workbook.xml": "xlsx"}


class InvalidFile(ValueError):
    """The file cannot be sent; the message says why."""


@dataclass(frozen=True)
class SentFile:
    """A file that will wait behind a link. mime: told by its content, then by its name."""

    content: bytes
    name: str | None
    mime: str
    extension: str
    needs_email: bool
    weeks: int


def is_file(value: object) -> bool:
    """Whether a value of personalisation is a file; an object without ``file`` is plain text."""
    return isinstance(value, dict) and "file" in value


def read(sent: Mapping[str, Any]) -> SentFile:
    """Return the file that an object of personalisation holds. Raises InvalidFile."""
    _check_options(sent)
    name = sent.get("filename")
    try:
        content = base64.b64decode("".join(sent["file"].split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidFile("file is not base64 encoded") from None
    if len(content) > MAX_BYTES:
        raise InvalidFile("File is larger than 2MB")
    if not content:
        raise InvalidFile("file is empty")
    extension = _extension(content, name, is_csv=bool(sent.get("is_csv")))
    period = sent.get("retention_period")
    weeks = USUAL_WEEKS if period is None else int(period.split()[0])
    confirm = sent.get("confirm_email_before_download")
    return SentFile(content, name, TYPES[extension], extension, confirm is not False, weeks)


def _check_options(sent: Mapping[str, Any]) -> None:
    others = sorted(set(sent) - set(_OPTIONS))
    if others:
        names, verb = ", ".join(others), "was" if len(others) == 1 else "were"
        raise InvalidFile(f"Additional properties are not allowed ({names} {verb} unexpected)")
    if not isinstance(sent["file"], str):
        raise InvalidFile(f"file {sent['file']} is not of type string")
    if sent.get("is_csv") is not None and "filename" in sent:
        raise InvalidFile("Do not set a value for `is_csv` if `filename` is set.")
    name = sent.get("filename")
    if name is not None:
        if not isinstance(name, str):
            raise InvalidFile(f"filename {name} is not of type string")
        if len(name) > MAX_NAME:
            raise InvalidFile(f"`filename` cannot be longer than {MAX_NAME} characters")
        if "." not in name or not name.isprintable():
            raise InvalidFile(
                "`filename` must end with a file extension. For example, filename.csv"
            )
    for option in ("is_csv", "confirm_email_before_download"):
        if not isinstance(sent.get(option), bool | None):
            raise InvalidFile(
                f"Unsupported value for {option}: {sent[option]}. "
                "Use a boolean true or false value."
            )
    period = sent.get("retention_period")
    if period is not None:
        match = _WEEKS.fullmatch(period) if isinstance(period, str) else None
        if match is None or int(match[1]) > MAX_WEEKS:
            raise InvalidFile(
                f"Unsupported value for retention_period: {period}. "
                f"Supported periods are from 1 to {MAX_WEEKS} weeks."
            )


def _extension(content: bytes, name: str | None, *, is_csv: bool) -> str:
    found, mime = sniffed(content)
    if name is not None:
        named = name.rpartition(".")[2].lower()
        # every text looks alike, so its name may say what it is; nothing else may be renamed
        if found in ("txt", "json") and named in ("csv", "txt", "json", "rtf"):
            return named
        if named not in TYPES:
            raise _unsupported(mime if found is None else f".{named}")
        if found is not None and TYPES[found] == TYPES[named]:
            return named
        raise _unsupported(mime)
    if found is None:
        raise _unsupported(mime)
    return "csv" if is_csv and found == "txt" else found


def _unsupported(mime: str) -> InvalidFile:
    supported = ", ".join(f"'.{extension}'" for extension in TYPES)
    return InvalidFile(f"Unsupported file type '{mime}'. Supported types are: {supported}")


def sniffed(content: bytes) -> tuple[str | None, str]:
    """Return the extension that a content deserves, or None, and its media type."""
    for start, extension in _STARTS:
        if content.startswith(start):
            return extension, TYPES[extension]
    if (zipped := _in_zip(content)) is not None:
        return zipped, TYPES[zipped]
    for start, mime in _OTHER_STARTS:
        if content.startswith(start):
            return None, mime
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("cp1252")
        except UnicodeDecodeError:
            return None, "application/octet-stream"
    if any(c < " " and c not in "\t\n\r\f" for c in text):
        return None, "application/octet-stream"
    if _MARKUP.match(content):
        return None, "text/html"
    if text.lstrip()[:1] in ("{", "["):
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return "txt", TYPES["txt"]
        return "json", TYPES["json"]
    return "txt", TYPES["txt"]


def _in_zip(content: bytes) -> str | None:
    if not content.startswith(b"PK\x03\x04"):
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
            for inside, extension in _INSIDE_ZIP.items():
                if inside in names and "[Content_Types].xml" in names:
                    return extension
            is_short = "mimetype" in names and archive.getinfo("mimetype").file_size < 100
            if is_short and archive.read("mimetype").decode("ascii", "replace") == TYPES["odt"]:
                return "odt"
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, RuntimeError):
        return None
    return None
