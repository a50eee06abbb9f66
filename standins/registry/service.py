"""The registry and its data host as two ports of one process."""

from __future__ import annotations

import re
import shutil
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from .auth import Auth
from .blobs import Blobs
from .content import Content
from .control import Control
from .counters import Counters, Entry
from .delivery import Courier
from .errors import STATUS, RegistryError
from .events import DEFAULT_RESOURCE, Events
from .faults import Faults
from .metadata import Metadata
from .names import is_digest
from .oci import Oci
from .routes import Route, find, make_routes, needed
from .server import Prepared, Server
from .storage import BlobHost
from .tokens import Tokens
from .uploads import Uploads
from .wire import JSON_TYPE, RegistryRequest, Response

_BLOB_PATH = re.compile(r".*/blobs/(sha256|sha512)/../([0-9a-f]+)/data")


@dataclass(frozen=True, slots=True)
class Options:
    """How a registry is started. `host` is its login server; None: localhost with its port."""

    certificate: Path
    control_token: str
    port: int = 0
    data_port: int = 0
    host: str | None = None
    username: str | None = None
    password: str | None = None
    anonymous: bool = False
    resource_id: str = DEFAULT_RESOURCE
    root: Path | None = None
    identity_key: Path | None = None
    lifetimes: dict[str, float] = field(default_factory=dict)
    signature_seconds: float | None = None


class RegistrySite:
    """Answers at the login server's port."""

    def __init__(self, routes: list[Route], auth: Auth, control: Control) -> None:
        self.counters = control.counters
        self.faults = control.faults
        self._routes = routes
        self._auth = auth
        self._control = control

    def prepare(self, method: str, path: str) -> Prepared:
        if path.startswith("/_local/"):
            return Prepared(Entry(method, "control", path), self._control.answer, open=True)
        found = find(self._routes, path)
        if found is None:
            return Prepared(Entry(method, "other", path), self._nowhere)
        route, values = found
        reference = values.get("reference")
        digest = values.get("digest") or (reference if reference and is_digest(reference) else None)
        entry = Entry(method, route.kind, path, values.get("name"), reference, digest)
        return Prepared(entry, self._answerer(route, values))

    def _answerer(self, route: Route, values: dict[str, str]) -> Callable[[RegistryRequest], Response]:
        def answer(request: RegistryRequest) -> Response:
            if request.method not in route.methods:
                raise RegistryError("UNSUPPORTED", "the operation is unsupported")
            actions, handler = route.methods[request.method]
            if not route.open:
                self._auth.require(request, needed(route, actions, values, request))
            return handler(request, **values)

        return answer

    @staticmethod
    def _nowhere(_request: RegistryRequest) -> Response:
        raise RegistryError("NOT_FOUND", "404 page not found")

    def failure(self, status: int) -> Response:
        codes = {code_status: code for code, code_status in STATUS.items()}
        error = RegistryError(codes.get(status, "UNKNOWN"), "the registry was asked to fail")
        return Response(status, [("Content-Type", JSON_TYPE)], error.body())

    def common_headers(self) -> list[tuple[str, str]]:
        # Seen on every answer of a registry.
        return [
            ("Server", "openresty"),
            ("Docker-Distribution-Api-Version", "registry/2.0"),
            ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Ms-Correlation-Request-Id", str(uuid.uuid4())),
            ("Access-Control-Expose-Headers", "Docker-Content-Digest"),
            ("Access-Control-Expose-Headers", "WWW-Authenticate"),
            ("Access-Control-Expose-Headers", "Link"),
            ("Access-Control-Expose-Headers", "X-Ms-Correlation-Request-Id"),
        ]


class DataSite:
    """Answers at the port that signed URLs point to."""

    def __init__(self, blobs: BlobHost, counters: Counters, faults: Faults) -> None:
        self.counters = counters
        self.faults = faults
        self._blobs = blobs

    def prepare(self, method: str, path: str) -> Prepared:
        found = _BLOB_PATH.fullmatch(path)
        entry = Entry(method, "data", path, digest=f"{found[1]}:{found[2]}" if found else None)
        return Prepared(entry, self._blobs.answer)

    def failure(self, status: int) -> Response:
        return self._blobs.failure(status)

    def common_headers(self) -> list[tuple[str, str]]:
        return []


class Service:
    """The whole of it: both servers running between `with` and its end. Content is gone afterwards."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._folder = Path(tempfile.mkdtemp(prefix="registry-", dir=options.root))
        self._server = Server(options.port, options.certificate)
        self._data_server = Server(options.data_port, options.certificate)
        self.host = options.host or f"localhost:{self._server.port}"
        self.data_host = f"localhost:{self._data_server.port}"
        self.courier = Courier()

    def __enter__(self) -> Service:
        options = self.options
        content = Content(self._folder)
        tokens = Tokens(self.host, options.identity_key, **options.lifetimes)  # type: ignore[arg-type]
        auth = Auth(tokens, options.username, options.password, options.anonymous)
        blob_host = BlobHost(content, self.data_host, tokens.registry_id)
        if options.signature_seconds is not None:
            blob_host.signature_seconds = options.signature_seconds
        events = Events(self.host, self.courier, options.resource_id)
        oci = Oci(content, events)
        blobs = Blobs(content, Uploads(self._folder / "uploads"), auth, blob_host)
        metadata = Metadata(content, auth, events, self.host)
        control = Control(options.control_token, Counters(), Faults(), auth, self.courier, content)
        self.courier.start()
        self._server.start(RegistrySite(make_routes(oci, blobs, metadata, auth), auth, control))
        self._data_server.start(DataSite(blob_host, control.counters, control.faults))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()
        self._data_server.stop()
        self.courier.close()
        shutil.rmtree(self._folder, ignore_errors=True)
