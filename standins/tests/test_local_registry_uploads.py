"""Pushing to the local registry and reading back: OCI distribution-spec 1.1, and a blob's way over another host."""

import hashlib
import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from standins.tests.registry_process import (
    Answer,
    RegistryProcess,
    digest_of,
    image_manifest,
)


def begin(registry: RegistryProcess, repository: str) -> str:
    answer = registry.ask("POST", f"/v2/{repository}/blobs/uploads/")
    assert (answer.status, answer.header("Range")) == (202, "0-0")
    return answer.header("Location") or ""


def blob(registry: RegistryProcess, repository: str, digest: str) -> bytes:
    redirect = registry.ask("GET", f"/v2/{repository}/blobs/{digest}")
    assert redirect.status == 307, redirect.body
    answer = registry.ask("GET", redirect.header("Location") or "", auth=None)
    assert answer.status == 200, answer.body
    return answer.body


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("size", [0, 1, 5000, 3_000_000])
class TestWaysOfUploading:
    def test_in_one_post(self, local_registry: RegistryProcess, repository: str, size: int, algorithm: str) -> None:
        data = os.urandom(size)
        digest = local_registry.push_blob(repository, data, algorithm)
        assert blob(local_registry, repository, digest) == data

    def test_by_post_and_put(self, local_registry: RegistryProcess, repository: str, size: int, algorithm: str) -> None:
        data = os.urandom(size)
        digest = digest_of(data, algorithm)
        location = begin(local_registry, repository)
        answer = local_registry.ask("PUT", f"{location}&digest={quote(digest)}", body=data)
        assert (answer.status, answer.header("Location")) == (201, f"/v2/{repository}/blobs/{digest}")
        assert blob(local_registry, repository, digest) == data

    def test_in_chunks(self, local_registry: RegistryProcess, repository: str, size: int, algorithm: str) -> None:
        data = os.urandom(size)
        digest = digest_of(data, algorithm)
        location, step = begin(local_registry, repository), max(1, size // 3 + 1)
        seen = {location}
        for start in range(0, size, step):
            chunk = data[start : start + step]
            span = f"{start}-{start + len(chunk) - 1}"
            answer = local_registry.ask("PATCH", location, body=chunk, headers={"Content-Range": span})
            assert (answer.status, answer.header("Range")) == (202, f"0-{start + len(chunk) - 1}")
            location = answer.header("Location") or ""
            assert location not in seen  # the state in it changes with every chunk
            seen.add(location)
        assert local_registry.ask("PUT", f"{location}&digest={quote(digest)}").status == 201
        assert blob(local_registry, repository, digest) == data

    def test_as_a_stream_of_unknown_length(
        self, local_registry: RegistryProcess, repository: str, size: int, algorithm: str
    ) -> None:
        data = os.urandom(size)
        digest = digest_of(data, algorithm)

        def pieces() -> Iterator[bytes]:
            for start in range(0, size, 70_000):
                yield data[start : start + 70_000]

        location = begin(local_registry, repository)
        answer = local_registry.ask("PATCH", location, body=pieces())
        assert (answer.status, answer.header("Range")) == (202, f"0-{max(0, size - 1)}")
        location = answer.header("Location") or ""
        assert local_registry.ask("PUT", f"{location}&digest={quote(digest)}").status == 201
        assert blob(local_registry, repository, digest) == data


def test_a_chunk_out_of_order_is_refused_and_the_upload_goes_on_where_it_is(
    local_registry: RegistryProcess, repository: str
) -> None:
    location = begin(local_registry, repository)
    location = local_registry.ask("PATCH", location, body=b"first").header("Location") or ""
    for span, body in (("0-4", b"first"), ("7-8", b"!!"), ("5-9", b"four"), ("nonsense", b"four")):
        answer = local_registry.ask("PATCH", location, body=body, headers={"Content-Range": span})
        assert (answer.status, answer.header("Range")) == (416, "0-4"), span
    status = local_registry.ask("GET", location)
    assert (status.status, status.header("Range")) == (204, "0-4")
    digest = digest_of(b"first and last")
    last = f"{status.header('Location')}&digest={quote(digest)}"
    answer = local_registry.ask("PUT", last, body=b" and last", headers={"Content-Range": "5-13"})
    assert answer.status == 201
    assert blob(local_registry, repository, digest) == b"first and last"


def test_a_chunk_that_is_sent_twice_is_refused(local_registry: RegistryProcess, repository: str) -> None:
    """Without a range nothing else would tell; seen by users of Azure's SDKs whose connection broke."""
    location = begin(local_registry, repository)
    assert local_registry.ask("PATCH", location, body=b"first").status == 202
    again = local_registry.ask("PATCH", location, body=b"first")
    assert (again.status, again.json()["errors"][0]["code"]) == (404, "BLOB_UPLOAD_INVALID")
    assert local_registry.ask("GET", location).header("Range") == "0-4"


def test_a_chunk_that_says_its_range_has_to_say_its_length(local_registry: RegistryProcess, repository: str) -> None:
    location = begin(local_registry, repository)
    answer = local_registry.ask("PATCH", location, body=iter([b"first"]), headers={"Content-Range": "0-4"})
    assert (answer.status, answer.json()["errors"][0]["code"]) == (400, "CONTENT_LENGTH_INVALID")
    assert local_registry.ask("PATCH", location, body=iter([b"first"])).status == 202


def test_one_body_of_more_than_about_20_megabytes_is_refused(local_registry: RegistryProcess, repository: str) -> None:
    data = bytes(20_000_001)
    digest = digest_of(data)
    location = begin(local_registry, repository)
    answer = local_registry.ask("PUT", f"{location}&digest={quote(digest)}", body=data)
    assert (answer.status, answer.body) == (413, b"413 Request Entity Too Large")
    location = local_registry.ask("PATCH", location, body=data[:10_000_000]).header("Location") or ""
    answer = local_registry.ask("PUT", f"{location}&digest={quote(digest)}", body=data[10_000_000:])
    assert answer.status == 201


def test_a_client_that_hangs_up_can_go_on_from_what_arrived(local_registry: RegistryProcess, repository: str) -> None:
    location = begin(local_registry, repository)
    connection = local_registry.connect()
    connection.putrequest("PATCH", location)
    connection.putheader("Authorization", f"Basic {local_registry.basic('pusher', local_registry.password)}")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"x" * 400)
    connection.sock.shutdown(socket.SHUT_WR)
    connection.close()

    def arrived() -> Answer | None:
        answer = local_registry.ask("GET", location)
        return answer if answer.header("Range") == "0-399" else None

    end = time.monotonic() + 5
    while not (status := arrived()):
        assert time.monotonic() < end
        time.sleep(0.02)
    digest = digest_of(b"x" * 1000)
    answer = local_registry.ask("PUT", f"{status.header('Location')}&digest={quote(digest)}", body=b"x" * 600)
    assert answer.status == 201


def test_wrong_digests_leave_nothing_behind(local_registry: RegistryProcess, repository: str) -> None:
    wrong = digest_of(b"something else")
    answer = local_registry.ask("PUT", f"{begin(local_registry, repository)}&digest={quote(wrong)}", body=b"this")
    assert (answer.status, answer.code()) == (400, "DIGEST_INVALID")
    answer = local_registry.ask("POST", f"/v2/{repository}/blobs/uploads/?digest={quote(wrong)}", body=b"this")
    assert (answer.status, answer.code()) == (400, "DIGEST_INVALID")
    assert local_registry.ask("HEAD", f"/v2/{repository}/blobs/{wrong}").status == 404
    for bad in ("sha256:ABC", "md5:d41d8cd98f00b204e9800998ecf8427e", f"sha256:{'A' * 64}", f"sha512:{'0' * 64}", ""):
        answer = local_registry.ask("PUT", f"{begin(local_registry, repository)}&digest={quote(bad)}", body=b"this")
        assert answer.status == 400, bad


def test_sessions_belong_to_their_repository_and_end(local_registry: RegistryProcess, repository: str) -> None:
    location = begin(local_registry, repository)
    elsewhere = location.replace(repository, f"{repository}/x")
    assert local_registry.ask("PATCH", elsewhere, body=b"x").code() == "BLOB_UPLOAD_UNKNOWN"
    assert local_registry.ask("PATCH", location.partition("&_state")[0], body=b"x").code() == "BLOB_UPLOAD_INVALID"
    assert local_registry.ask("DELETE", location).status == 204
    assert local_registry.ask("PATCH", location, body=b"x").status == 404


def test_mounts(local_registry: RegistryProcess, repository: str) -> None:
    data = os.urandom(100)
    digest = local_registry.push_blob(f"{repository}/source", data)
    target = f"{repository}/target"
    assert local_registry.ask("HEAD", f"/v2/{target}/blobs/{digest}").status == 404
    path = f"/v2/{target}/blobs/uploads/?mount={quote(digest)}"
    assert local_registry.ask("POST", f"{path}&from={repository}/nothing").status == 202
    assert local_registry.ask("POST", f"{path}&from={repository}/source").status == 201
    assert blob(local_registry, target, digest) == data
    missing = quote(digest_of(b"nowhere"))
    fallback = local_registry.ask("POST", f"/v2/{target}/blobs/uploads/?mount={missing}&from={repository}/source")
    assert fallback.status == 202
    assert fallback.header("Docker-Upload-Uuid")


def test_a_blob_in_another_repository_is_not_in_this_one(local_registry: RegistryProcess, repository: str) -> None:
    data = os.urandom(100)
    digest = local_registry.push_blob(f"{repository}/one", data)
    assert local_registry.ask("GET", f"/v2/{repository}/two/blobs/{digest}").code() == "BLOB_UNKNOWN"
    local_registry.push_blob(f"{repository}/two", data)
    deleted = local_registry.ask("DELETE", f"/v2/{repository}/one/blobs/{digest}")
    assert (deleted.status, deleted.header("Docker-Content-Digest")) == (202, digest)
    assert local_registry.ask("GET", f"/v2/{repository}/one/blobs/{digest}").status == 404
    assert blob(local_registry, f"{repository}/two", digest) == data


# Reading blobs


def test_a_blob_is_read_from_the_other_host_by_ranges(local_registry: RegistryProcess, repository: str) -> None:
    data = os.urandom(5000)
    digest = local_registry.push_blob(repository, data)
    url = local_registry.ask("GET", f"/v2/{repository}/blobs/{digest}").header("Location") or ""
    assert url.startswith(f"https://{local_registry.data}/")
    for span, status, want in (
        ("bytes=0-0", 206, data[:1]),
        ("bytes=4000-9999", 206, data[4000:]),
        ("bytes=4000-", 206, data[4000:]),
        ("bytes=-10", 206, data[-10:]),
        ("bytes=0-1,4-5", 200, data),
        ("items=0-1", 200, data),
    ):
        answer = local_registry.ask("GET", url, auth=None, headers={"Range": span})
        assert (answer.status, answer.body) == (status, want), span
    answer = local_registry.ask("GET", url, auth=None, headers={"Range": "bytes=4000-9999"})
    assert answer.header("Content-Range") == "bytes 4000-4999/5000"
    past = local_registry.ask("GET", url, auth=None, headers={"Range": "bytes=5000-"})
    assert (past.status, past.header("x-ms-error-code")) == (416, "InvalidRange")
    head = local_registry.ask("HEAD", url, auth=None)
    assert (head.status, head.header("Content-Length"), head.body) == (200, "5000", b"")


def test_a_range_of_an_empty_blob_is_416(local_registry: RegistryProcess, repository: str) -> None:
    digest = local_registry.push_blob(repository, b"")
    url = local_registry.ask("GET", f"/v2/{repository}/blobs/{digest}").header("Location") or ""
    assert local_registry.ask("GET", url, auth=None, headers={"Range": "bytes=0-"}).status == 416
    assert local_registry.ask("GET", url, auth=None).body == b""


def test_a_signature_covers_its_blob_and_ends(
    local_registry: RegistryProcess, start_registry: Callable[..., RegistryProcess], repository: str
) -> None:
    one, other = (local_registry.push_blob(repository, os.urandom(10)) for _ in range(2))
    url = local_registry.ask("GET", f"/v2/{repository}/blobs/{one}").header("Location") or ""
    forged = url.replace(one[7:], other[7:]).replace(f"/{one[7:9]}/", f"/{other[7:9]}/")
    for wrong in (forged, url.partition("?")[0], url.replace("&sig=", "&sig=0")):
        answer = local_registry.ask("GET", wrong, auth=None)
        assert (answer.status, answer.header("x-ms-error-code")) == (403, "AuthenticationFailed")
        assert b"<Code>AuthenticationFailed</Code>" in answer.body
    short = start_registry("--signature-seconds", "0.5")
    digest = short.push_blob("app", b"data")
    url = short.ask("GET", f"/v2/app/blobs/{digest}").header("Location") or ""
    assert short.ask("GET", url, auth=None).status == 200
    time.sleep(0.6)
    expired = short.ask("GET", url, auth=None)
    assert expired.status == 403
    assert b"Signature not valid in the specified time frame" in expired.body


def test_a_lost_blob_is_404_at_both_hosts(local_registry: RegistryProcess, repository: str) -> None:
    digest = local_registry.push_blob(repository, os.urandom(10))
    url = local_registry.ask("GET", f"/v2/{repository}/blobs/{digest}").header("Location") or ""
    assert local_registry.ask("DELETE", f"/v2/{repository}/blobs/{digest}").status == 202
    answer = local_registry.ask("GET", url, auth=None)
    assert (answer.status, answer.header("x-ms-error-code")) == (404, "BlobNotFound")
    assert local_registry.ask("GET", f"/v2/{repository}/blobs/{digest}").code() == "BLOB_UNKNOWN"


def test_one_connection_carries_many_requests_also_after_refusals(
    local_registry: RegistryProcess, repository: str
) -> None:
    connection: http.client.HTTPSConnection = local_registry.connect()
    body = os.urandom(200_000)
    basic = {"Authorization": f"Basic {local_registry.basic('pusher', local_registry.password)}"}
    for headers, status in (({}, 401), (basic, 202), ({}, 401), (basic, 202)):
        connection.request("POST", f"/v2/{repository}/blobs/uploads/", body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
        used = connection.sock.getsockname()
    assert connection.sock.getsockname() == used
    connection.close()


def test_unknown_addresses_and_methods_have_errors_of_the_specification(local_registry: RegistryProcess) -> None:
    assert local_registry.ask("GET", "/v2/a/nothing").status == 404
    assert local_registry.ask("PATCH", "/v2/a/manifests/v1").code() == "UNSUPPORTED"
    assert local_registry.ask("GET", "/").status == 404


def test_a_big_blob_comes_and_goes_whole(local_registry: RegistryProcess, repository: str) -> None:
    data = os.urandom(1 << 20) * 40
    digest = local_registry.push_blob(repository, data)
    url = local_registry.ask("GET", f"/v2/{repository}/blobs/{digest}").header("Location") or ""
    assert hashlib.sha256(local_registry.ask("GET", url, auth=None).body).hexdigest() == digest[7:]


def test_a_digest_that_is_held_back_after_its_deletion_is_refused(
    local_registry: RegistryProcess, repository: str
) -> None:
    value = image_manifest(b"{}", b"layer")
    for data in (b"{}", b"layer"):
        local_registry.push_blob(repository, data)
    digest = local_registry.put_manifest(repository, value)
    local_registry.control.set_soft_delete(True)
    try:
        assert local_registry.ask("DELETE", f"/v2/{repository}/manifests/{digest}").status == 202
    finally:
        local_registry.control.set_soft_delete(False)
    headers = {"Content-Type": value["mediaType"]}
    for reference in (digest, "v1"):
        path = f"/v2/{repository}/manifests/{reference}"
        refused = local_registry.ask("PUT", path, body=json.dumps(value).encode(), headers=headers)
        assert (refused.status, refused.code()) == (403, "DENIED")
