"""`python -m loghub_cli`."""

import sys

from loghub_cli import cli

if __name__ == "__main__":
    sys.exit(cli.main())
