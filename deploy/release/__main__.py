"""`python -m deploy.release`."""

import sys

from deploy.release.command import main

sys.exit(main())
