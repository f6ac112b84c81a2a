"""`python -m deploy.build`."""

import sys

from deploy.build.command import main

sys.exit(main())
