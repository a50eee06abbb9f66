"""`python -m bench.launch PROGRAM ARGUMENTS…`: becomes that program, and makes it end with whoever started it."""

import os
import sys

# As whoever started it gave it: the import adds loopback to what is reached without a proxy, and some programs are
# started to go by one.
given = dict(os.environ)

from standins.process import die_with_parent  # noqa: E402

if __name__ == "__main__":
    die_with_parent()
    os.execve(sys.argv[1], sys.argv[1:], {name: value for name, value in given.items() if name in os.environ})
