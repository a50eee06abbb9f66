"""What Azure would refuse: a layer before Azurite that lets through what an identity's roles grant, and no more.

`operations` tells from a request what is asked, and which action that takes; `grants` decides; `refusals` answers as
storage does; `server` stands between the app and Azurite. The registry refuses by itself, told by `registries` what
the roles come to there. What was asked is kept, so that a test can hold it against a list.

`python -m standins.policy` runs it; `Stack(policy=Policy(…))` puts it before a stack.
"""

from standins.policy.grants import Grant, Places, Policy, Seen
from standins.policy.operations import ALL, Operation

__all__ = ["ALL", "Grant", "Operation", "Places", "Policy", "Seen"]
