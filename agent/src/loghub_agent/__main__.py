"""`python -m loghub_agent` is the same program as `loghub-agent`."""

import sys

from loghub_agent import cli

if __name__ == "__main__":
    sys.exit(cli.main())
