"""What whoever asks may see."""

from dataclasses import dataclass

from acrmirror.patterns import Patterns


@dataclass(frozen=True, slots=True)
class Access:
    """The repositories that `patterns` choose, or all of them. Of any other it is not told that it is there."""

    patterns: Patterns | None = None

    def sees(self, repository: str) -> bool:
        return self.patterns is None or self.patterns.may_match(repository)

    def enters(self, folder: str) -> bool:
        """Whether a repository of that name, or one below it, could be seen."""
        return self.patterns is None or self.patterns.may_match_below(folder)


EVERYTHING = Access()
