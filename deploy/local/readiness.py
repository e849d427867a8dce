"""Whether a process says that it is ready."""

import http.client
from http import HTTPStatus

from deploy.local.ports import HOST

PATIENCE_S = 5.0


def is_ready(port: int) -> bool:
    """True when `/readyz` on `port` answers 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
