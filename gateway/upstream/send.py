"""The last step of a call: sign it and send it before its deadline."""

from .call import Call, Send
from .faults import NotAttempted
from .reply import Reply
from .signature import QiniuSigner
from .transport import Header, Request, Transport


def transmit(transport: Transport, signer: QiniuSigner, base_url: str) -> Send:
    """Return the last step: sign a call and send it to `base_url`, a URL without a path."""
    host = base_url.partition("://")[2]

    async def sign_and_send(call: Call) -> Reply:
        left = call.time_left()
        if left <= 0:
            raise NotAttempted("no time was left to send it", retry_after=1)
        signed = [("Content-Type", "application/json")] if call.body else []
        authorization = signer.authorization(call.method, call.path, host, signed, call.body)
        headers: list[Header] = [("Host", host), *signed, ("X-Reqid", call.request_id)]
        headers.append(("Authorization", authorization))
        if call.body or call.method == "POST":
            headers.append(("Content-Length", str(len(call.body))))
        request = Request(call.method, f"{base_url}{call.path}", headers, call.body)
        return await transport.send(request, left)

    return sign_and_send
