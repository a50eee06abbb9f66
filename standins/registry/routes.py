"""Which address is answered by what, and what it takes to ask there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .auth import CATALOG, Auth
from .blobs import Blobs
from .metadata import Metadata
from .names import check_repository
from .oci import Oci
from .tokens import Access
from .wire import RegistryRequest, Response

Handler = Callable[..., Response]
# The action that a method needs on the repository.
PULL, PUSH, DELETE = ("pull",), ("pull", "push"), ("delete",)
READ, WRITE = ("metadata_read",), ("metadata_write",)


@dataclass(frozen=True, slots=True)
class Route:
    """`kind` is the class under which requests are counted and faults are matched."""

    kind: str
    pattern: re.Pattern[str]
    methods: Mapping[str, tuple[tuple[str, ...], Handler]]
    catalog: bool = False
    open: bool = False


def make_routes(oci: Oci, blobs: Blobs, metadata: Metadata, auth: Auth) -> list[Route]:
    """In the order in which they are tried; a repository's name may have slashes."""

    def route(kind: str, pattern: str, **methods: tuple[tuple[str, ...], Handler]) -> Route:
        return Route(kind, re.compile(pattern), methods)

    def unguarded(kind: str, pattern: str, **handlers: Handler) -> Route:
        return Route(kind, re.compile(pattern), {method: ((), one) for method, one in handlers.items()}, open=True)

    name = r"(?P<name>.+)"
    listing: dict[str, tuple[tuple[str, ...], Handler]] = {"GET": ((), oci.catalog)}
    acr_listing: dict[str, tuple[tuple[str, ...], Handler]] = {"GET": ((), metadata.catalog)}
    get_manifest = (PULL, oci.get_manifest)
    return [
        route("base", r"/v2/?", GET=((), oci.base), HEAD=((), oci.base)),
        unguarded("exchange", r"/oauth2/exchange", POST=auth.exchange),
        unguarded("token", r"/oauth2/token", POST=auth.token_by_post, GET=auth.token_by_get),
        Route("catalog", re.compile(r"/v2/_catalog"), listing, catalog=True),
        Route("catalog", re.compile(r"/acr/v1/_catalog"), acr_listing, catalog=True),
        route("tags", rf"/v2/{name}/tags/list", GET=(PULL, oci.tags)),
        route(
            "manifest",
            rf"/v2/{name}/manifests/(?P<reference>[^/]+)",
            GET=get_manifest,
            HEAD=get_manifest,
            PUT=(PUSH, oci.put_manifest),
            DELETE=(DELETE, oci.delete_manifest),
        ),
        route("referrers", rf"/v2/{name}/referrers/(?P<digest>[^/]+)", GET=(PULL, oci.referrers)),
        route("upload", rf"/v2/{name}/blobs/uploads/?", POST=(PUSH, blobs.begin)),
        route(
            "upload",
            rf"/v2/{name}/blobs/uploads/(?P<upload_id>[^/]+)",
            GET=(PUSH, blobs.status),
            PATCH=(PUSH, blobs.append),
            PUT=(PUSH, blobs.end),
            DELETE=(PUSH, blobs.cancel),
        ),
        route(
            "blob",
            rf"/v2/{name}/blobs/(?P<digest>[^/]+)",
            GET=(PULL, blobs.get),
            HEAD=(PULL, blobs.head),
            DELETE=(DELETE, blobs.delete),
        ),
        route("manifests", rf"/acr/v1/{name}/_manifests", GET=(READ, metadata.manifests)),
        route(
            "metadata",
            rf"/acr/v1/{name}/_manifests/(?P<digest>[^/]+)",
            GET=(READ, metadata.manifest),
            PATCH=(WRITE, metadata.change_manifest),
        ),
        route("tags", rf"/acr/v1/{name}/_tags", GET=(READ, metadata.tags)),
        route(
            "metadata",
            rf"/acr/v1/{name}/_tags/(?P<tag>[^/]+)",
            GET=(READ, metadata.tag),
            PATCH=(WRITE, metadata.change_tag),
            DELETE=(DELETE, metadata.delete_tag),
        ),
        route(
            "metadata",
            rf"/acr/v1/{name}",
            GET=(READ, metadata.repository),
            PATCH=(WRITE, metadata.change_repository),
            DELETE=(DELETE, metadata.delete_repository),
        ),
    ]


def find(routes: list[Route], path: str) -> tuple[Route, dict[str, str]] | None:
    for route in routes:
        found = route.pattern.fullmatch(path)
        if found:
            return route, found.groupdict()
    return None


def needed(route: Route, actions: tuple[str, ...], values: dict[str, str], request: RegistryRequest) -> list[Access]:
    """What a request has to be allowed; NAME_INVALID if its repository is not one."""
    if route.catalog:
        return [CATALOG]
    if "name" not in values:
        return []
    asked = [Access("repository", check_repository(values["name"]), actions)]
    source = request.parameter("from")
    if route.kind == "upload" and source and request.method == "POST":
        asked.append(Access("repository", check_repository(source), PULL))
    return asked
