"""`python -m loghub_operator`."""

import sys

from loghub_operator import cli

if __name__ == "__main__":
    sys.exit(cli.main())
