"""One line has the version; the package, the app and the API take it from there."""

import tomllib

from acrmirror.http.models import Live
from acrmirror.version import VERSION
from tests.documentation import ROOT


def test_package_and_api_have_the_version_of_that_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "acrmirror.version.VERSION"}
    assert Live().version == VERSION
    assert all(part.isdecimal() for part in VERSION.split("."))
