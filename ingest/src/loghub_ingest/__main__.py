"""`python -m loghub_ingest`."""

import sys

from loghub_ingest import cli

if __name__ == "__main__":
    sys.exit(cli.main())
