"""The last step of a call: sign it and send it before its deadline.

A call with a client token has that in place of a signature.
"""

from .call import Call, Send
from .faults import NotAttempted
from .reply import Reply
from .signature import QiniuSigner
from .transport import Header, Request, Transport

_WITH_LENGTH = frozenset({"POST", "PUT"})
"""Methods whose requests tell their length, also without a body."""


def transmit(transport: Transport, signer: QiniuSigner, base_url: str) -> Send:
    """Return the last step: sign a call and send it to `base_url`, a URL without a path."""
    host = base_url.partition("://")[2]

    async def sign_and_send(call: Call) -> Reply:
        left = call.time_left()
        if left <= 0:
            raise NotAttempted("no time was left to send it", retry_after=1)
        signed = [("Content-Type", "application/json")] if call.body else []
        if call.token is None:
            authorization = signer.authorization(call.method, call.path, host, signed, call.body)
        else:
            authorization = call.token.reveal()  # as it is, without `Bearer`
        headers: list[Header] = [("Host", host), *signed, ("X-Reqid", call.request_id)]
        headers.append(("Authorization", authorization))
        if call.body or call.method in _WITH_LENGTH:
            headers.append(("Content-Length", str(len(call.body))))
        request = Request(call.method, f"{base_url}{call.path}", headers, call.body)
        return await transport.send(request, left)

    return sign_and_send
