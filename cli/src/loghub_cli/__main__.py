"""`python -m loghub_cli`."""

import sys

from loghub_cli import cli

sys.exit(cli.main())
