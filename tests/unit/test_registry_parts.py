"""The parts of the registry source that need no registry: redirects, waits, refusals, paths, pages, lifetimes."""

import base64
import json
import socket
import ssl
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrmirror.errors import Denied, Malformed, NotFound, Permanent, Refused, Throttled, Unavailable
from acrmirror.registry.failures import network_failure, refusal, retry_after
from acrmirror.registry.pages import next_page
from acrmirror.registry.policy import Asked
from acrmirror.registry.redirects import check_redirect
from acrmirror.registry.tokens import _lifetime
from acrmirror.settings import DEFAULT_REDIRECT_HOSTS

# --- redirects


@pytest.mark.parametrize(
    ("location", "host", "target"),
    [
        (
            "https://a.blob.core.windows.net/c//docker/x?se=1&sig=%2B",
            "a.blob.core.windows.net",
            "/c//docker/x?se=1&sig=%2B",
        ),
        ("https://demo.westeurope.data.azurecr.io/x", "demo.westeurope.data.azurecr.io", "/x"),
        ("https://A.BLOB.core.windows.net:443/x", "a.blob.core.windows.net", "/x"),
        ("https://a.blob.core.usgovcloudapi.net/x", "a.blob.core.usgovcloudapi.net", "/x"),
        ("https://a.blob.core.windows.net?x", "a.blob.core.windows.net", "/?x"),
    ],
)
def test_a_redirect_to_the_registrys_storage_is_taken(location: str, host: str, target: str) -> None:
    assert check_redirect(location, "GET x", DEFAULT_REDIRECT_HOSTS) == (host, 443, target)


@pytest.mark.parametrize(
    "location",
    [
        "http://a.blob.core.windows.net/x",
        "https://a.blob.core.windows.net:8443/x",
        "https://a.blob.core.windows.net:0/x",
        "https://a.blob.core.windows.net:/x",
        "https://a.blob.core.windows.net:99999/x",
        "https://u@a.blob.core.windows.net/x",
        "https://@a.blob.core.windows.net/x",
        "https://blob.core.windows.net.evil.example/x",
        "https://xblob.core.windows.net/x",
        "https://.blob.core.windows.net/x",
        "https://a.blob.core.windows.net./x",
        "https://evil.example#.blob.core.windows.net/x",
        "https://evil.example?.blob.core.windows.net/x",
        "https://evil.example\\.blob.core.windows.net/x",
        "https://evil.example\t.blob.core.windows.net/x",
        "https://a_b.blob.core.windows.net\r\nX: y/",
        "https://ä.blob.core.windows.net/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://0x7f000001/x",
        "https://127.1/x",
        "a.blob.core.windows.net/x",
        "https:///x",
        "https:a.blob.core.windows.net",
        "x" * 20_000,
        "",
    ],
)
def test_any_other_redirect_is_refused(location: str) -> None:
    with pytest.raises(Refused):
        check_redirect(location, "GET x", DEFAULT_REDIRECT_HOSTS)


def test_a_host_without_a_dot_in_front_is_that_host_alone() -> None:
    assert check_redirect("https://data.example.com/x", "GET x", ("data.example.com",))[0] == "data.example.com"
    with pytest.raises(Refused):
        check_redirect("https://a.data.example.com/x", "GET x", ("data.example.com",))


def test_addresses_are_refused_whatever_settings_say() -> None:
    for host in ("10.0.0.1", "1.2.3"):
        with pytest.raises(Refused, match="address"):
            check_redirect(f"https://{host}/x", "GET x", (host, f".{host}"))


def test_the_local_setting_opens_hosts_and_ports_and_nothing_else() -> None:
    assert check_redirect("https://localhost:5001/x?y", "GET x", (), anywhere=True) == ("localhost", 5001, "/x?y")
    assert check_redirect("https://localhost", "GET x", (), anywhere=True) == ("localhost", 443, "/")
    for location in ("http://localhost/x", "https://u@localhost/x", "/x", "https://localhost:x/"):
        with pytest.raises(Refused):
            check_redirect(location, "GET x", (), anywhere=True)


@given(st.text(max_size=60))
def test_no_text_leads_elsewhere(text: str) -> None:
    for location in (text, f"https://{text}/x", f"https://{text}.blob.core.windows.net/x"):
        try:
            host, port, _ = check_redirect(location, "GET x", (".blob.core.windows.net",))
        except Refused:
            continue
        assert host.endswith(".blob.core.windows.net")
        assert port == 443


# --- waits and refusals


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("999999999", 24 * 3600.0),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        ("nan", None),
        ("Sat, 25 Apr 2026 21:40:47 GMT", 60.0),
        ("Sat, 25 Apr 2026 21:38:47 GMT", 0.0),
        ("Sat, 25 Apr 2027 21:38:47 GMT", 24 * 3600.0),
    ],
)
def test_retry_after_in_either_form(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value, "Date": "Sat, 25 Apr 2026 21:39:47 GMT"}) == seconds


def test_without_a_date_this_machines_clock_will_do() -> None:
    later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 100))
    assert 90 < (retry_after({"Retry-After": later}) or 0) <= 100
    assert retry_after({}) is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, Refused),
        (307, Refused),
        (400, Permanent),
        (401, Denied),
        (403, Denied),
        (404, NotFound),
        (405, Permanent),
        (408, Unavailable),
        (429, Throttled),
        (500, Unavailable),
        (599, Unavailable),
    ],
)
def test_a_status_has_one_meaning(status: int, kind: type[Exception]) -> None:
    assert type(refusal("GET x", status, {})) is kind


def test_the_registrys_own_words_are_repeated_without_secrets() -> None:
    words = "denied\n Bearer abc eyJhbGciOi.eyJhdWQi.c2ln https://x/?se=1&sig=hush&x=1"
    body = json.dumps({"errors": [{"code": "DENIED", "message": words, "detail": None}]}).encode()
    text = str(refusal("GET x", 403, {}, body))
    assert "DENIED" in text
    for secret in ("eyJ", "hush", "abc", "\n"):
        assert secret not in text


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"errors":[]}', b'{"errors":[1]}', b'{"errors":{}}', b"[" * 9999]
)
def test_a_body_that_says_nothing_is_passed_over(body: bytes) -> None:
    assert refusal("GET x", 500, {}, body).answered == "it answered 500"


def test_network_failures_are_told_apart() -> None:
    untrusted = ssl.SSLCertVerificationError(1, "x")
    for error, words in [
        (untrusted, "not trusted"),
        (socket.gaierror(-2, "x"), "does not resolve"),
        (ConnectionRefusedError(), "nothing listens"),
        (TimeoutError(), "in time"),
        (ConnectionResetError(), "ConnectionResetError"),
        (OSError(OSError(untrusted)), "not trusted"),
    ]:
        assert words in network_failure("GET x", error).answered


# --- paths and pages


@pytest.mark.parametrize(
    ("path", "kind", "key"),
    [
        ("/v2/team/app/manifests/v1", "manifest", "pull team/app"),
        ("/v2/team%2Fapp/manifests/sha256%3Aab", "manifest", "pull team/app"),
        ("/v2/team%2Fapp/blobs/sha256%3Aab", "blob", "pull team/app"),
        ("/v2/blobs/manifests/blobs/x", "blob", "pull blobs/manifests"),
        ("/v2/team/app/referrers/sha256:ab", "referrers", "pull team/app"),
        ("/v2/team/app/tags/list", "tags", "pull team/app"),
        ("/acr/v1/_catalog", "catalog", "catalog"),
        ("/acr/v1/team%2Fapp/_manifests", "metadata", "metadata team/app"),
        ("/acr/v1/team%2Fapp/_tags", "metadata", "metadata team/app"),
        ("/acr/v1/team%2Fapp/_tags/v1", "metadata", "metadata team/app"),
        ("/v2/", "other", ""),
    ],
)
def test_a_path_says_what_is_asked_for_and_which_token_is_good_for_it(path: str, kind: str, key: str) -> None:
    assert Asked.of(path) == Asked(kind, key)


BASE, URL = "https://demo.azurecr.io", "/v2/team/app/referrers/sha256:ab"


@pytest.mark.parametrize(
    ("link", "page"),
    [
        (None, None),
        ("", None),
        ('</v2/team/app/referrers/sha256:ab?last=x&n=1>; rel="next"', f"{URL}?last=x&n=1"),
        ('</v2/team%2Fapp/referrers/sha256%3Aab?last=x>; rel="next"', f"{URL}?last=x"),
        ("<?last=y>;rel=next", f"{URL}?last=y"),
        (f'<{BASE}{URL}?last=z>; title="a"; REL="next"', f"{URL}?last=z"),
        (f'<{URL}?a>; rel="prev", <{URL}?b>; rel="next"', f"{URL}?b"),
        (f'<{URL}?a>; rel="nextish"', None),
        (f"<{URL}?a>", None),
    ],
)
def test_the_next_page_is_where_link_says(link: str | None, page: str | None) -> None:
    assert next_page(link, BASE, URL, "GET x") == page


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/x",
        f"https://evil.example{URL}?x",
        f"http://demo.azurecr.io{URL}?x",
        "/v2/other/x?y",
        URL + "?",
        "//evil.example/",
    ],
)
def test_a_next_page_elsewhere_is_malformed(target: str) -> None:
    with pytest.raises(Malformed):
        next_page(f'<{target}>; rel="next"', BASE, URL + "?", "GET x")


# --- lifetimes


def token(**claims: object) -> str:
    return "h." + base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode() + ".s"


def test_a_token_lasts_as_long_as_it_says_itself() -> None:
    assert _lifetime(token(iat=1000, exp=4600)) == 3600
    # `nbf` lies a quarter of an hour before the token was made.
    assert _lifetime(token(nbf=100, iat=1000, exp=4600)) == 3600
    assert 3590 < _lifetime(token(exp=time.time() + 3600)) <= 3600
    for text in ("", "x", "a.b.c", "a.e30.c", token(exp="soon"), token(exp=None), "h.W10.s", "h.é.s"):
        assert _lifetime(text) == 0
