"""The HTTP API from outside, as any client sees it. Needs no Azure package."""

from acrmirror.client.api import Client
from acrmirror.client.content import ImageContent, LinkedBlobs
from acrmirror.client.failures import ApiProblem, BadKey

__all__ = ["ApiProblem", "BadKey", "Client", "ImageContent", "LinkedBlobs"]
