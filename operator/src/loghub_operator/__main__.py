"""`python -m loghub_operator`."""

import sys

from loghub_operator import cli

sys.exit(cli.main())
