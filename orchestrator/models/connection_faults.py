"""Names a connection that broke: the client's exception in, a Rejected out.

Causes are told apart by name, since their package is not ours.
"""

from __future__ import annotations

from orchestrator.models.endpoint import Endpoint
from orchestrator.models.faults import Rejected, scrubbed

CONNECT_TIMEOUT_S = 10.0


def lost(error: Exception, endpoint: Endpoint) -> Rejected:
    """Why there is no answer, and whether one may have been made."""
    cause = error.__cause__
    name, words = type(cause).__name__, scrubbed(str(cause or error), endpoint.api_key)
    if name == "ReadTimeout":
        what = f"no answer within {endpoint.timeout_s:g} s"
        return Rejected("timeout", what, served=True)
    if name in ("ConnectTimeout", "PoolTimeout", "WriteTimeout"):
        return Rejected(
            "unreachable", f"no connection within {CONNECT_TIMEOUT_S:g} s", looks_misplaced=True
        )
    if name == "DecodingError" or "complete message body" in words:
        return Rejected("bad_reply", f"the answer was cut off ({words})", served=True)
    return Rejected("unreachable", words or name, looks_misplaced=name == "ConnectError")
