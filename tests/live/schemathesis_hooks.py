"""A check of Schemathesis made exact for creates; Schemathesis loads this module.

`positive_data_acceptance` expects the gateway to accept everything that the schema allows. JSON
Schema has no words for some rules: in the future, after another field, between these years, so many
bytes as JSON, printable, a key not used before. A create may be refused for these and for nothing
else.
"""

import re
from typing import Any

import schemathesis

_UNSAYABLE = re.compile(
    "must be in the future|must be after start_at|must lie between .*|may have .* bytes as JSON .*"
    "|must be .* printable .*"
)


@schemathesis.check
def valid_create_is_accepted(_context: Any, response: Any, case: Any) -> None:
    """A create that keeps to the schema is accepted but for the rules a schema cannot say."""
    positive = case.meta is not None and case.meta.generation.mode.is_positive
    if case.operation.label != "POST /v1/rooms" or case.method != "POST" or not positive:
        return
    if response.status_code == 400:
        messages = [error["message"] for error in response.json()["errors"]]
        assert messages
        assert all(map(_UNSAYABLE.fullmatch, messages)), messages
    elif response.status_code == 422:
        assert response.json()["code"] == "idempotency_key_reused"
        assert "Idempotency-Key" in case.headers
    else:
        assert response.status_code in {201, 401, 403}, response.status_code


@schemathesis.hook
def before_call(_context: Any, case: Any, _options: Any) -> None:
    """Let a create in a sequence of calls make a room, so that there is one to go on with."""
    positive = case.meta is not None and case.meta.generation.mode.is_positive
    in_sequence = positive and case.meta.phase.name.value == "stateful"
    if case.operation.label != "POST /v1/rooms" or not in_sequence:
        return
    case.headers.pop("Idempotency-Key", None)
    if isinstance(case.body, dict):
        for name in ("anchor_id", "start_at", "end_at", "publish_expire_at", "extends"):
            case.body.pop(name, None)
