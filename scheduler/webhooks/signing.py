"""The headers of Standard Webhooks 1.0 (https://www.standardwebhooks.com): id, time of sending, and what proves both.

The signature is HMAC-SHA256 over `id.timestamp.body`. While a secret is changed, there is one for the old one too.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from standardwebhooks import Webhook


def headers(message_id: str, body: bytes, *, keys: Sequence[str], now: float) -> Mapping[str, str]:
    """`keys` are the secrets that sign, the newest first; `now` in Unix seconds."""
    at = datetime.fromtimestamp(int(now), UTC)
    return {
        "content-type": "application/json",
        "user-agent": f"dure/{version('dure')}",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": " ".join(Webhook(key).sign(message_id, at, body.decode()) for key in keys),
    }
