"""`python -m inferometer` is the `inferometer` command."""

import sys

from inferometer.cli import main

if __name__ == "__main__":
    sys.exit(main())
