"""A mail server that keeps what it is given: one file a mail, with the envelope in front.

server.py FOLDER PORT [--tls whole|upgrade] [--user NAME:PASSWORD] [--busy N]

Recipients at refused.test are refused for good; the first N mails are put off.
"""

import argparse
import asyncio
import pathlib
import ssl

from aiosmtpd.smtp import SMTP, AuthResult

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("port", type=int)
parser.add_argument("--tls", choices=["whole", "upgrade"])
parser.add_argument("--user")
parser.add_argument("--busy", type=int, default=0)
options = parser.parse_args()


class Keeper:
    def __init__(self):
        self.put_off = options.busy
        self.count = 0

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.endswith("@refused.test"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.put_off > 0:
            self.put_off -= 1
            return "451 4.3.2 come back later"
        self.count += 1
        head = [
            f"envelope-from: {envelope.mail_from}",
            f"envelope-to: {', '.join(envelope.rcpt_tos)}",
            f"encrypted: {server.transport.get_extra_info('ssl_object') is not None}",
            f"signed-in: {session.authenticated}",
            f"hello: {session.host_name}",
        ]
        draft = options.folder / f"{self.count}.new"
        draft.write_bytes("\n".join(head).encode() + b"\n" + envelope.content)
        draft.rename(options.folder / f"{self.count}.mail")
        return "250 OK"


def check(server, session, envelope, mechanism, data):
    given = b":".join([data.login, data.password]).decode()
    return AuthResult(success=given == options.user)


async def serve():
    context = None
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.folder / "tls.crt", options.folder / "tls.key")
    keeper = Keeper()

    def session():
        return SMTP(
            keeper,
            tls_context=context if options.tls == "upgrade" else None,
            require_starttls=options.tls == "upgrade",
            authenticator=check if options.user else None,
            auth_required=bool(options.user),
            auth_require_tls=False,
            enable_SMTPUTF8=True,
        )

    wrap = context if options.tls == "whole" else None
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", options.port, ssl=wrap)
    await server.serve_forever()


asyncio.run(serve())
