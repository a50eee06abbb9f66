"""A worker killed in the middle of a layer of 1 GiB. Azurite takes half a minute for one, so it is gone through once,
beside the outside tools, and not on every Python."""

from typing import Any

import pytest

from standins.foundation import Foundation
from tests.integration.killing import counted_stack, killed_in_the_middle

pytestmark = pytest.mark.interop

GIB = 1024**3


def test_a_killed_copy_of_1_gib_is_finished_without_sending_its_blocks_again(
    make_stack: Any, foundation: Foundation
) -> None:
    with counted_stack(foundation, make_stack) as (stack, proxy):
        killed_in_the_middle(stack, proxy, GIB, 180)
