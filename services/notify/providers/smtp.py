"""A mail server: one connection for a batch, TLS checked, Message-ID from the notification's id."""

import contextlib
import smtplib
import ssl
import time
from collections.abc import Sequence

from services.notify.providers.message import Message, Outcome
from services.notify.providers.mime import compose, wire_address
from services.notify.settings import SMTP_TIMEOUT_S, Settings

_BUDGET_S = 1.0  # begin no other email of a batch after it
_UNKNOWN = frozenset({550, 551, 553})  # RFC 5321 section 4.2.3: no such mailbox


class MailServer:
    """Hands emails to the server that the settings name."""

    name = "smtp"
    at_once = 20
    slowest_s = float(SMTP_TIMEOUT_S + _BUDGET_S)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection: smtplib.SMTP | None = None

    def deliver(self, message: Message) -> Outcome:
        """Send one email. The server's refusal of the address is final, all else is tried again."""
        try:
            email = compose(message, self._settings.email_domain)
            self._send(email, message)
        except smtplib.SMTPRecipientsRefused as refused:
            self._reset()
            return _refused(max(code for code, _ in refused.recipients.values()), at_address=True)
        except smtplib.SMTPDataError as refused:
            self._reset()
            return _refused(refused.smtp_code, at_address=False)
        except smtplib.SMTPResponseException as refused:
            self.close()
            code = str(refused.smtp_code)
            return Outcome(None, f"{type(refused).__name__} {code}", response=code, is_fault=True)
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            return Outcome(None, type(error).__name__, is_fault=True)
        return Outcome("delivered", reason="delivered", response="250")

    def deliver_all(self, messages: Sequence[Message]) -> list[Outcome]:
        """Send emails over one connection; what a slow server leaves no time for is put off."""
        until = time.monotonic() + _BUDGET_S
        outcomes: list[Outcome] = []
        for message in messages:
            if outcomes and time.monotonic() > until:
                outcomes.append(Outcome(None, "the mail server is slow"))
            else:
                outcomes.append(self.deliver(message))
        return outcomes

    def _send(self, email: bytes, message: Message) -> None:
        """Send one email; sender and recipient go in one packet where the server allows it."""
        connection = self._connect()
        sender, recipient = wire_address(message.sender), wire_address(message.address)
        if not connection.has_extn("pipelining"):  # RFC 2920
            connection.sendmail(sender, [recipient], email)
            return
        connection.send(
            f"MAIL FROM:{smtplib.quoteaddr(sender)}\r\nRCPT TO:{smtplib.quoteaddr(recipient)}\r\n"
        )
        from_code, from_text = connection.getreply()
        to_code, to_text = connection.getreply()
        if from_code != 250:
            raise smtplib.SMTPSenderRefused(from_code, from_text, sender)
        if to_code not in (250, 251):
            raise smtplib.SMTPRecipientsRefused({recipient: (to_code, to_text)})
        code, text = connection.data(email)
        if code != 250:
            raise smtplib.SMTPDataError(code, text)

    def close(self) -> None:
        """End the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                connection.quit()

    def _reset(self) -> None:
        try:
            if self._connection is not None:
                self._connection.rset()
        except (OSError, smtplib.SMTPException):
            self.close()

    def _connect(self) -> smtplib.SMTP:
        if self._connection is not None:
            return self._connection
        settings = self._settings
        context = ssl.create_default_context(cafile=settings.smtp_ca_file)
        address = (settings.smtp_host or "", settings.smtp_port)
        # our name is given, or smtplib asks the network for it
        connection = (
            smtplib.SMTP_SSL(
                *address, settings.email_domain, timeout=SMTP_TIMEOUT_S, context=context
            )
            if settings.smtp_security == "tls"
            else smtplib.SMTP(*address, settings.email_domain, timeout=SMTP_TIMEOUT_S)
        )
        try:
            if settings.smtp_security == "starttls":
                connection.starttls(context=context)
            if settings.smtp_username is not None:
                connection.login(settings.smtp_username, settings.smtp_password or "")
        except (OSError, smtplib.SMTPException):
            connection.close()
            raise
        self._connection = connection
        return connection


def _refused(code: int, *, at_address: bool) -> Outcome:
    if code < 500:
        return Outcome(None, f"refused with {code}", response=str(code))
    is_unknown = at_address and code in _UNKNOWN
    reason = "no-recipient" if is_unknown else "refused"
    return Outcome("permanent-failure", f"refused with {code}", reason=reason, response=str(code))
