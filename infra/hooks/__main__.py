"""`python3 -m infra.hooks HOOK`, from the project's folder; azure.yaml says when azd does so.

Reads the environment that azd fills; without azd, the variables that docs/deploy.md lists. `--outputs FILE` reads what
`az deployment sub show --query properties.outputs` printed. Ends with 1 and a text on standard error if something has
to be put right first; what it does is told on standard output, which azd shows while it runs.
"""

# This file alone has to be readable by an older Python, which is told so.
import sys

NEEDED = (3, 11)


def too_old(version: "tuple[int, ...]") -> str:
    """What to say to a Python of that version; empty if it will do."""
    if version[:2] >= NEEDED:
        return ""
    found, needed = (".".join(map(str, parts)) for parts in (version[:2], NEEDED))
    return (
        "The deployment's hooks need Python "
        + needed
        + " or newer, and this is "
        + found
        + " ("
        + sys.executable
        + ")."
    )


if __name__ == "__main__":
    problem = too_old(sys.version_info[:3])
    if problem:
        sys.exit(problem)
    from infra.hooks.program import main

    sys.exit(main(sys.argv[1:]))
