"""`az` and `azd`: started without a shell, read as JSON."""

from __future__ import annotations

import json
import locale
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.hooks.problems import Problem

INSTALL = {"az": "https://aka.ms/azure-cli", "azd": "https://aka.ms/azd"}
SIGN_IN = re.compile(r"az login|AADSTS\d+|interaction_required|No subscription found|refresh token has expired", re.I)
# What cmd.exe, which starts `az.cmd` on Windows, would read as its own, and can't be told not to in every version.
_OF_CMD = re.compile(r'["%&|<>^!\r\n]')


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


Run = Callable[[Sequence[str]], Ended]
"""Runs a program to its end. Raises Problem if it is not there."""


class CommandFailed(Problem):
    """`code` is the program's, `said` the end of what it wrote to standard error."""

    def __init__(self, words: Sequence[str], ended: Ended) -> None:
        said = "\n".join(ended.err.strip().splitlines()[-12:])
        super().__init__(f"`{shlex.join(words)}` failed with code {ended.code}: {said or 'it does not say why.'}")
        self.code = ended.code
        self.said = said

    @property
    def is_not_found(self) -> bool:
        """The resource itself is not there. Azure says so of a group or a subscription that is not there, too."""
        elsewhere = re.search(r"ResourceGroupNotFound|SubscriptionNotFound", self.said)
        return elsewhere is None and (self.code == 3 or bool(re.search(r"\(?ResourceNotFound\)?", self.said)))

    @property
    def is_denied(self) -> bool:
        return bool(
            re.search(r"AuthorizationFailed|does not have authorization|Forbidden|LinkedAuthorizationFailed", self.said)
        )


class Azure:
    """The Azure CLI. Every call names its subscription: the CLI's own default may be another one than azd's."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def json(self, *words: str) -> Any:
        """What it answers, None if that is nothing. Raises CommandFailed; Problem if nobody is signed in."""
        asked = ["az", *words, "--output", "json", "--only-show-errors"]
        empty = [word for word in asked if not word]
        if empty:
            raise Problem(f"`{shlex.join(asked)}` has an empty word.")
        ended = self._run(asked)
        if ended.code:
            failed = CommandFailed(asked, ended)
            if SIGN_IN.search(failed.said):
                raise Problem(f"Nobody is signed in to the Azure CLI, or not for long enough: run az login.\n{failed}")
            raise failed
        text = ended.out.lstrip("\ufeff").strip()
        try:
            return json.loads(text) if text else None
        except ValueError as error:
            raise Problem(f"`{shlex.join(asked)}` answered something else than JSON: {text[:200]}") from error

    def get(self, path: str, version: str) -> Any:
        """Resource Manager's answer for that path, as `json`."""
        return self.json("rest", "--method", "get", "--url", f"{path}?api-version={version}")


class Azd:
    """azd's environment, where there is one: by hand, without azd, what has to be kept is only told."""

    def __init__(self, run: Run, name: str, *, installed: bool) -> None:
        self._run = run
        self._name = name
        self.is_there = installed and bool(name)

    def version(self) -> str:
        """Raises Problem."""
        words = ["azd", "version", "--output", "json"]
        ended = self._run(words)
        try:
            return str(json.loads(ended.out)["azd"]["version"])
        except (ValueError, KeyError, TypeError) as error:
            raise CommandFailed(words, ended) from error

    def set(self, values: Mapping[str, str]) -> None:
        """`NAME=value` in one word each: an empty word would be lost on its way through older shells."""
        words = [
            "azd",
            "env",
            "set",
            *(f"{name}={value}" for name, value in values.items()),
            "--environment",
            self._name,
        ]
        ended = self._run(words)
        if ended.code:
            raise CommandFailed(words, ended)


def run(words: Sequence[str]) -> Ended:
    """Raises Problem."""
    program = shutil.which(words[0])
    if program is None:
        raise Problem(f"{words[0]} is not installed, or not on the PATH: see {INSTALL[words[0]]}.")
    check_words(program, words[1:])
    ended = subprocess.run([program, *words[1:]], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return Ended(ended.returncode, decoded(ended.stdout), decoded(ended.stderr))


def check_words(program: str, words: Sequence[str]) -> None:
    """Raises Problem for what a batch file would not get as it is."""
    if program.lower().endswith((".cmd", ".bat")):
        for word in words:
            if found := _OF_CMD.search(word):
                raise Problem(f"{word!r} can't be given to {program}: it has the character {found[0]!r}.")


def decoded(text: bytes) -> str:
    """On Windows the CLI writes in the console's own encoding where it does not write UTF-8."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode(locale.getpreferredencoding(False), errors="replace")


class Console:
    """Where a person reads, and answers if there is one."""

    def __init__(self, interactive: bool | None = None, ask: Callable[[str], str] = input) -> None:
        self.interactive = sys.stdin.isatty() if interactive is None else interactive
        self._ask = ask

    def say(self, text: str) -> None:
        print(text, flush=True)

    def choose(self, question: str, choices: Sequence[str], default: str = "") -> str:
        """One of the choices, by its number or its name. Raises Problem if nobody answers."""
        for number, choice in enumerate(choices, 1):
            self.say(f"  {number}. {choice}{'  (default)' if choice == default else ''}")
        while True:
            try:
                answer = self._ask(f"{question} ").strip()
            except EOFError as error:
                raise Problem(f"Nobody answered: {question}") from error
            if not answer and default:
                return default
            if answer.isdigit() and 1 <= int(answer) <= len(choices):
                return choices[int(answer) - 1]
            if answer in choices:
                return answer
            self.say(f"'{answer}' is none of them.")
