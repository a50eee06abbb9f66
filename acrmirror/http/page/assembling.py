"""The page's style sheets and modules, put into the page: a browser asks for one file instead of one for each.

An instance answers few requests at once, and each costs a call of a function; an engineer who opens the page when
something is wrong would wait for all of them. A module becomes a function that is called once and returns what it
exports, so that its own names stay its own.
"""

import re
from collections.abc import Callable, Iterable

_IMPORT = re.compile(
    r'^import (?:\* as (?P<whole>\w+)|\{(?P<names>[^}]*)\}) from "\./(?P<module>\w+)\.js";\n', re.MULTILINE
)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def modules(first: str, read: Callable[[str], str]) -> str:
    """One script of a module and all that it imports, each after what it needs. Raises ValueError for a form of import
    or export that this can't put together, and for modules that import each other."""
    done: dict[str, str] = {}
    _add(first, read, done, ())
    return "\n".join(done.values())


def _add(name: str, read: Callable[[str], str], done: dict[str, str], importing: tuple[str, ...]) -> None:
    if name in importing:
        raise ValueError(f"modules import each other: {' → '.join((*importing, name))}")
    if name in done:
        return
    text = read(f"{name}.js")
    for found in _IMPORT.finditer(text):
        _add(found["module"], read, done, (*importing, name))
    exported = _EXPORT.findall(text)
    body = _EXPORT.sub("", _IMPORT.sub(_bound, text))
    if (left := _LEFT.search(body)) is not None:
        raise ValueError(f"{name}.js: {left[0]} is no import or export of a known form")
    done[name] = f"const ${name} = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();"


def _bound(found: re.Match[str]) -> str:
    """What an import binds, of a module that stands before this one."""
    names = found["whole"] or f"{{{found['names'].replace(' as ', ': ')}}}"
    return f"const {names} = ${found['module']};\n"


def page(index: str, styles: Iterable[str], script: str) -> tuple[str, str, str]:
    """The page with both in its head, and the texts of its style and script elements, from which the policy's hashes
    are made. Raises ValueError where a text would end its own element."""
    style, script = "\n" + "\n".join(styles), f"\n{script}\n"
    for text, element in ((style, "style"), (script, "script")):
        if f"</{element}" in text.lower() or "<!--" in text:
            raise ValueError(f"the {element} would end where it says </{element}, or begin a comment")
    elements = f'<style>{style}</style>\n<script type="module">{script}</script>\n</head>'
    before, head, after = index.partition("</head>")
    if not head:
        raise ValueError("the page has no head")
    return before + elements + after, style, script
