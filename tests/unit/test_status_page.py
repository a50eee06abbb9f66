"""The files of the status page, and how they are served."""

import base64
import fnmatch
import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from acrmirror.http.page import FOLDER, ICON, shell
from acrmirror.http.page.assembling import modules, page
from standins.azurite import Tools

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path.name for path in FOLDER.iterdir())
INDEX = (FOLDER / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "media_type"), [(None, "text/html"), ("index.html", "text/html"), (ICON, "image/svg+xml")]
)
def test_the_page_and_its_icon_are_served_and_not_sent_again(name: str | None, media_type: str) -> None:
    got = shell(name)
    assert (got.status, got.media_type) == (200, media_type)
    assert len(got.body) > 100
    again = shell(name, got.headers["ETag"])
    assert (again.status, again.body, again.headers) == (304, b"", got.headers)


def test_the_page_holds_every_style_sheet_and_module_and_asks_for_nothing_but_its_icon() -> None:
    text = shell().body.decode()
    for name in set(FILES) - {"index.html", ICON}:
        lines = (FOLDER / name).read_text("utf-8").splitlines()
        kept = [line for line in lines if not line.startswith(("import ", "export ", "} from "))]
        assert "\n".join(kept[-3:]) in text, name
    assert set(re.findall(r"/api/status/[\w.]+", text)) == {f"/api/status/{ICON}"}
    assert not re.search(r"^(import|export)\b|\ssrc=|<link(?! rel=.icon)", text, re.MULTILINE)


def test_the_policy_allows_the_pages_own_script_and_style_alone() -> None:
    got = shell()
    (style,) = re.findall(r"<style>(.*?)</style>", got.body.decode(), re.DOTALL)
    (script,) = re.findall(r'<script type="module">(.*?)</script>', got.body.decode(), re.DOTALL)
    policy = got.headers["Content-Security-Policy"]
    for kind, text in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"; {kind}-src 'sha256-{digest}'; " in policy
    assert "script-src 'none'" in shell(ICON).headers["Content-Security-Policy"]
    assert "unsafe" not in policy


def test_modules_are_put_together_in_the_order_in_which_they_need_each_other() -> None:
    files = {
        "main.js": 'import * as b from "./b.js";\nimport { c as d } from "./c.js";\n\nexport const x = b.b + d;\n',
        "b.js": 'import {\n  c,\n} from "./c.js";\nexport function b() {}\n',
        "c.js": "const own = 1;\nexport const c = own;\nexport async function e() {}\nexport class F {}\n",
    }
    script = modules("main", files.__getitem__)
    assert script.index("const $c =") < script.index("const $b =") < script.index("const $main =")
    assert "const { c: d } = $c;" in script
    assert "const b = $b;" in script
    assert "return { c, e, F };" in script


@pytest.mark.parametrize(
    "files",
    [
        {"main.js": "export default 1;\n"},
        {"main.js": "export { x };\n"},
        {"main.js": 'import "./b.js";\n'},
        {"main.js": 'import { b } from "./b.js";\n', "b.js": 'import { x } from "./main.js";\n'},
    ],
)
def test_what_could_not_be_put_together_is_refused(files: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"known form|import each other"):
        modules("main", files.__getitem__)


@pytest.mark.parametrize(("style", "script"), [("a{}</style>", ""), ("", "'</SCRIPT>'"), ("", "<!--")])
def test_nothing_ends_the_element_that_it_is_in(style: str, script: str) -> None:
    with pytest.raises(ValueError, match="would end"):
        page("<head></head>", [style], script)


@pytest.mark.parametrize(
    "name", ["main.js", "style.css", "nothing.js", "../values.py", "..%2Fvalues.py", "/etc/passwd"]
)
def test_nothing_else_is(name: str) -> None:
    got = shell(name)
    assert (got.status, got.media_type) == (404, "text/plain")
    assert "Content-Security-Policy" in got.headers


@pytest.mark.parametrize(
    ("given", "status"),
    [("W/{}", 304), ('"other", {}', 304), ("*", 304), ('"other"', 200), ("", 200), ("{}x", 200)],
)
def test_what_the_caller_has_is_not_sent_again(given: str, status: int) -> None:
    assert shell(None, given.format(shell().headers["ETag"])).status == status


def test_it_is_self_contained_and_keeps_its_own_policy() -> None:
    for path in FOLDER.iterdir():
        text = path.read_text("utf-8")
        assert set(re.findall(r"https?://[^\s\"'`]+", text)) <= {"http://www.w3.org/2000/svg"}, path
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(", text), path
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", INDEX)


def test_a_deployment_and_an_installation_carry_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    carried = project["tool"]["setuptools"]["package-data"]["acrmirror.http.page"]
    assert all(any(fnmatch.fnmatch(f"shell/{name}", it) for it in carried) for name in FILES)
    ignored = (ROOT / ".funcignore").read_text("utf-8").split()
    for name in FILES:
        parts = (FOLDER / name).relative_to(ROOT).parts
        assert not [it for it in ignored if any(fnmatch.fnmatch(part, it) for part in parts)], name


def test_it_costs_a_cold_start_nothing_else() -> None:
    code = "import sys; from acrmirror.http.page import shell; assert shell().status == 200; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert not {name.partition(".")[0] for name in names.split()} & {"azure", "pydantic", "requests"}


def test_a_browser_can_read_the_script() -> None:
    """The engine of Node.js is the one of Chromium: a name that a module declares twice ends it all."""
    script = shell().body.decode().partition('<script type="module">')[2].partition("</script>")[0]
    assert script
    node = Tools.find().node
    checked = subprocess.run(
        [node, "--check", "--input-type=module", "-"], input=script, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
