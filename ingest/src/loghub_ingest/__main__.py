"""`python -m loghub_ingest`."""

import sys

from loghub_ingest import cli

sys.exit(cli.main())
