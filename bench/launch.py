"""`python -m bench.launch PROGRAM ARGUMENTS…`: becomes that program, and makes it end with whoever started it."""

import os
import sys

from local.process import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    os.execv(sys.argv[1], sys.argv[1:])
