"""The hooks in the test's own process, over a cloud that is a state: what they say, keep and ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from infra.hooks.commands import Azd, Azure, Console, Ended
from infra.hooks.environment import Environment
from tests.infra import cloud


class Hooked:
    """`answers` are what a person types, in order; none means that nobody is there. `pauses` are seconds waited."""

    def __init__(
        self,
        state: dict[str, Any],
        variables: Mapping[str, str],
        answers: Sequence[str] | None = None,
        azd: bool = True,
    ) -> None:
        self.state = state
        self.environment = Environment({"AZURE_ENV_NAME": "mirror", **variables})
        self.azure = Azure(self.run)
        self.azd = Azd(self.run, "mirror", installed=azd)
        self.typed = list(answers or ())
        self.console = Said(answers is not None, self.type)
        self.pauses: list[float] = []

    def run(self, words: Sequence[str]) -> Ended:
        return Ended(*cloud.run(self.state, words))

    def type(self, question: str) -> str:
        if not self.typed:
            raise EOFError
        self.console.said.append(question)
        return self.typed.pop(0)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def asked(self, start: str) -> list[list[str]]:
        """Each command that begins so."""
        return [words for words in self.state["calls"] if " ".join(words).startswith(start)]

    @property
    def kept(self) -> dict[str, str]:
        kept: dict[str, str] = self.state["azd"]
        return kept


class Said(Console):
    def __init__(self, interactive: bool, ask: Callable[[str], str]) -> None:
        super().__init__(interactive, ask)
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    @property
    def text(self) -> str:
        return "\n".join(self.said)
