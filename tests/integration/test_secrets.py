"""Whatever a run of everything leaves behind lets nobody in: not its log, its records, its messages nor its blobs."""

import base64
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import Request, urlopen

import pytest

from standins.foundation import Foundation
from standins.stack import Stack
from testkit.images import multi_arch, oci_image, signature, together
from tests.integration.command import Command
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring, mirroring
from tests.integration.storage_proxy import StorageProxy

LAYER = 32_000
"""Bytes; what is larger is content of images, and no text of the app's."""
LOOKS_SECRET = re.compile(r"eyJ[\w-]{8,}\.[\w-]+|Bearer\s+\S+|[?&;]sig=|\bsig=\S|SharedKey|AccountKey", re.IGNORECASE)


@dataclass(slots=True)
class Written:
    """Everything that the app sent to storage, and what was put aside of it."""

    texts: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, method: str, path: str, body: bytes) -> tuple[str, bytes]:
        if method in ("PUT", "POST", "PATCH"):
            # A signed link never goes into a request of the app's own; its path would tell.
            text = f"{unquote(path)}\n{body.decode('utf-8', 'replace') if len(body) <= LAYER else ''}"
            for message in re.findall(r"<MessageText>([^<]+)</MessageText>", text):
                text += "\n" + base64.b64decode(message).decode("utf-8", "replace")
            with self.lock:
                self.texts.append(text)
        return path, body


@pytest.fixture
def watched(foundation: Foundation, make_stack: Any) -> Iterator[tuple[Stack, Written]]:
    """A stack whose app reaches each storage service through a proxy that keeps what is written."""
    trust, own = foundation.certificates.ca, foundation.certificates.server
    written = Written()
    with ExitStack() as running:
        blobs, queues, tables = (running.enter_context(StorageProxy(trust, own)) for _ in range(3))
        stack = make_stack(
            settings={
                "MIRROR_BLOB_ENDPOINT": blobs.endpoint,
                "MIRROR_QUEUE__queueServiceUri": queues.endpoint,
                "MIRROR_TABLE_ENDPOINT": tables.endpoint,
            }
        )
        account = stack.account
        blobs.upstream, queues.upstream = account.blob_endpoint, account.queue_endpoint
        tables.upstream = account.table_endpoint
        for proxy in (blobs, queues, tables):
            proxy.alter = written.keep
        yield stack, written


def everything(mirror: Mirroring, run: Command) -> tuple[list[str], list[str]]:
    """Pushes, pulls, links and failures of every kind; what the API and the command line said, and the links given."""
    stack = mirror.stack
    call, registry = Caller.of(stack), stack.registry
    image = multi_arch("secrets", 2)
    mirror.push("secrets/app", together(image, signature("secrets", image.root)))
    mirror.wait_for(4, "secrets/app")
    said = [call("POST", "pulls", {"image": "secrets/app", "wait": 30, "force": True}).raw]
    said.append(call("POST", "pulls", {"match": ["secrets/*"]}).raw)
    content = call("GET", "images/secrets/app:latest/content").json
    registry.set_event_manner(hold=True)
    for number, do in enumerate(
        ({"status": 403}, {"status": 401}, {"expire": True}, {"redirect_to": "http://x.invalid/?sig=abcdefgh"})
    ):
        repository = f"secrets/n{number}"
        mirror.push(repository, oci_image(repository))
        pulled = call("POST", "pulls", {"image": repository})
        said.append(pulled.raw)
        kind = {"kind": ["manifest", "token"]} if number < 2 else {"kind": ["blob", "data"], "method": "GET"}
        registry.set_faults([{"match": kind | {"path": f".*{repository}.*"}, "do": do}])
        said.append(
            call(
                "POST",
                f"pulls?code={stack.functions.function_key}",
                {"image": f"{repository}:latest", "force": True, "wait": 3},
            ).raw
        )
        registry.clear_faults()
    with mirror.queues[0] as queue:
        queue.send_message(base64.b64encode(b"this is no job").decode())
    mirror.wait(lambda: any(it.fields["kind"] == "unreadable" for it in mirror.jobs()), 30)
    for path in ("pulls?n=1000", "images", "health", "pulls/nonsense"):
        said.append(call("GET", path).raw)
    said.append(Caller(stack.functions.url, stack.functions.function_key + "x")("GET", "pulls").raw)
    done = run("export", "secrets/app", "-o", "image.tar", "--platform", "linux/amd64", code=4)
    said += [done.stdout, done.stderr]
    return [it.decode() for it in said], [it["url"] for it in content["blobs"]]


def pulled(stack: Stack) -> str:
    """The password of a pull credential that was made, used, used wrongly, and listed."""
    call = Caller.of(stack)
    password = str(call("POST", "credentials", {"name": "secrets"}).json["password"])
    for name, expected in (("secrets", 404), ("other", 401)):
        request = Request(f"{stack.functions.url}/v2/secrets/none/manifests/v1")
        request.add_header("Authorization", f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}")
        with pytest.raises(HTTPError, match=str(expected)):
            urlopen(request)
    assert password not in call("GET", "credentials").raw.decode()
    return password


def test_nothing_that_is_left_behind_lets_anyone_in(watched: tuple[Stack, Written], tmp_path: Path) -> None:
    stack, written = watched
    with mirroring(stack) as mirror:
        password = pulled(stack)
        said, links = everything(mirror, Command.of(stack, tmp_path))
        entities = mirror.records.table.query("PartitionKey ge 'a'", {}, "read all that is kept")
        records = [f"{name}={value}" for entity in entities for name, value in entity.fields.items()]
    assert len(links) > 3
    assert len(written.texts) > 50
    assert any("mirror-jobs/messages" in text and "secrets/app" in text for text in written.texts)
    signatures = [parse_qs(urlsplit(link).query)["sig"][0] for link in links]
    functions, registry = stack.functions, stack.registry
    secrets = {
        "a pull credential's password": password,
        "the same as it is sent": base64.b64encode(f"secrets:{password}".encode()).decode(),
        "a function key": functions.function_key,
        "the master key": functions.key,
        "the key of the webhook": functions.system_key,
        "the registry's password": registry.password,
        "the identity endpoint's secret": stack.identity_header,
        **{f"the signature of link {number}": it for number, it in enumerate(signatures)},
    }
    # The stand-in's own first line tells the stack its keys.
    log = [line for line in stack.logs["functions"].read_text().splitlines() if not line.startswith('{"functions"')]
    places = {"the log": "\n".join(log), "records": "\n".join(records)}
    places |= {"what was said": "\n".join(said), "what was written": "\n".join(written.texts)}
    for place, text in places.items():
        for what, secret in secrets.items():
            assert secret not in unquote(text), f"{what} is in {place}"
        found = LOOKS_SECRET.search(text)
        assert found is None, f"{place} has …{text[max(0, found.start() - 200) : found.end() + 20]}…"
