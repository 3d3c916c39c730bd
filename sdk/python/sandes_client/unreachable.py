"""Describes why a call over HTTPS got no answer, with the host and port that were called."""

from __future__ import annotations

import httpx

_DEFAULT_PORTS = {"https": 443, "http": 80}


def why_unreachable(error: httpx.TransportError | None) -> str:
    """Describe `error` for a person: which host and port were called, and how it failed."""
    if error is None:
        return "the service did not answer"
    where = _host_and_port(error)
    match error:
        case httpx.ConnectTimeout():
            return f"{where} did not accept a connection in time"
        case httpx.ConnectError():
            return f"cannot connect to {where}{_cause(error)}"
        case httpx.TimeoutException():
            return f"{where} did not answer in time"
        case httpx.ProxyError():
            return f"the proxy refused the connection to {where}{_cause(error)}"
        case httpx.RemoteProtocolError() | httpx.NetworkError():
            return f"{where} closed the connection before it answered{_cause(error)}"
    return f"the call to {where} failed{_cause(error) or f': {type(error).__name__}'}"


def _host_and_port(error: httpx.TransportError) -> str:
    try:
        url = error.request.url
    except RuntimeError:  # httpx raises it if the error was made without a request
        return "the service"
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{url.port or _DEFAULT_PORTS.get(url.scheme, 443)}"


def _cause(error: httpx.TransportError) -> str:
    """Return the system's description, without its error numbers."""
    text = str(error).strip()
    if text.startswith("[Errno") and "]" in text:
        text = text.partition("]")[2].strip()
    return f": {text[0].lower()}{text[1:]}" if text else ""
