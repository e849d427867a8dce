"""Whether the process of this container answers: `python probe.py healthz`, or `readyz`. Exit status 0 when it does.

For Docker, which runs a command to find out; Kubernetes asks over HTTP itself. It needs nothing but the standard library, and
knows the processes by their ports alone: in a container there is one.
"""

import os
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping

PORTS = {"DURE_API_PORT": "8470", "DURE_SCHEDULER_PORT": "8471", "DURE_AGENT_PORT": "8480"}
CERTIFICATE = "DURE_API_TLS_CERTIFICATE"
PATIENCE_S = 3.0


def main() -> int:
    path = sys.argv[1] if len(sys.argv) > 1 else "healthz"
    if path not in ("healthz", "readyz"):
        print("it takes healthz or readyz", file=sys.stderr)
        return 2
    said = [_ask(f"{root}/{path}") for root in _roots(os.environ)]
    print("; ".join(said))
    return 0 if any(word.endswith(" answers") for word in said) else 1


def _roots(environ: Mapping[str, str]) -> Iterator[str]:
    for name, usual in PORTS.items():
        scheme = "https" if name == "DURE_API_PORT" and environ.get(CERTIFICATE) else "http"
        yield f"{scheme}://127.0.0.1:{environ.get(name, usual)}"


def _ask(url: str) -> str:
    # The certificate is for another name than that of the loopback, and there is nobody else to be taken for.
    unchecked = ssl.create_default_context()
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unchecked)
    )
    try:
        with opener.open(url, timeout=PATIENCE_S):
            return f"{url} answers"
    except urllib.error.HTTPError as error:
        return f"{url}: {error.code} {error.read(200).decode(errors='replace').strip()}"
    except OSError as error:
        return f"{url}: {error}"


if __name__ == "__main__":
    sys.exit(main())
