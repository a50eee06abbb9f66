"""The HTTP API: requests and answers as values, apart from whatever carries them."""

from acrmirror.http.values import Answer, Request

__all__ = ["Answer", "Request"]
