"""What stands in for Azure on one machine: registry, identity endpoint, Functions host, Azurite.

Every process of it, and of the tests, imports this package, and reaches the others without the user's proxy.
"""

import os

from standins.loopback import reach_directly

reach_directly(os.environ)
