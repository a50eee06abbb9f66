"""`python3 -m infra.checks`: what is wrong with the templates. With `--write`: makes the docs that follow from them."""

import sys

from infra.checks import INFRA, graph, permissions
from infra.checks.mutations import problems

PAGES = {"deployed.md": graph.page, "roles.md": permissions.table}


def main(arguments: list[str]) -> int:
    if arguments == ["--write"]:
        for name, make in PAGES.items():
            (INFRA.parent / "docs" / name).write_text(make(), encoding="utf-8")
        return 0
    found = problems()
    print("\n".join(found) or "The templates hold.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
