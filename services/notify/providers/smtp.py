"""A mail server: one connection for a batch, TLS checked, Message-ID from the notification's id."""

import contextlib
import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage

from services.notify.providers.message import Message, Outcome
from services.notify.rendering import email as rendered
from services.notify.settings import SMTP_TIMEOUT_S, Settings


class MailServer:
    """Hands emails to the server that the settings name."""

    name = "smtp"
    slowest_s = float(SMTP_TIMEOUT_S)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection: smtplib.SMTP | None = None

    def deliver(self, message: Message) -> Outcome:
        """Send one email. The server's refusal of the address is final, all else is tried again."""
        try:
            email = compose(message, self._settings.email_domain)
            self._connect().send_message(email, message.sender, [message.address])
        except smtplib.SMTPRecipientsRefused as refused:
            self._reset()
            code = max(code for code, _ in refused.recipients.values())
            return Outcome("permanent-failure" if code >= 500 else None, f"refused with {code}")
        except smtplib.SMTPDataError as refused:
            self._reset()
            code = refused.smtp_code
            return Outcome("permanent-failure" if code >= 500 else None, f"refused with {code}")
        except smtplib.SMTPResponseException as refused:
            self.close()
            return Outcome(None, f"{type(refused).__name__} {refused.smtp_code}")
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            return Outcome(None, type(error).__name__)
        return Outcome("delivered")

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


def compose(message: Message, domain: str) -> EmailMessage:
    """Return the email: plain text, and the same as HTML."""
    email = EmailMessage()
    email["From"] = Address(message.service_name["en"], addr_spec=message.sender)
    email["To"] = Address(addr_spec=message.address)
    email["Subject"] = message.subject or ""
    email["Message-ID"] = f"<{message.id}@{domain}>"  # a resend after a crash is told by its id
    if message.unsubscribe:
        email["List-Unsubscribe"] = f"<{message.unsubscribe}>"
        email["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    if message.reply_to:
        email["Reply-To"] = Address(addr_spec=message.reply_to)
    sender = message.service_name["en"]
    email.set_content(rendered.plain(message.body))
    email.add_alternative(rendered.document(message.body, message.subject, sender), subtype="html")
    return email
