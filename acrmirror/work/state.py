"""The states of a job and of its layers, as its record has them and the API tells them."""

from typing import Literal

State = Literal["queued", "running", "waiting", "done", "incomplete", "failed", "gone", "cancelled", "interrupted"]
"""`waiting` is for the next attempt. `interrupted` is never written: a record that says `running` reads so once its run
has not been heard of for a while. `incomplete` is of a sweep alone, `gone` of what the registry has no more."""
UNFINISHED_STATES: tuple[State, ...] = ("queued", "waiting", "running")
FINAL_STATES: frozenset[State] = frozenset({"done", "incomplete", "failed", "gone", "cancelled"})
LayerState = Literal["waiting", "checking", "copying", "claimed", "done", "skipped", "left out", "failed"]
"""`checking`: what the mirror has is hashed anew; `claimed`: by another worker; `skipped`: the mirror had it."""
