"""``python -m benchmarks [NAME...]`` from the repository's root: measures, and prints ratios."""

import sys

from benchmarks.harness import main
from mrinb.errors import MrinbError

try:
    sys.exit(main(sys.argv[1:]))
except MrinbError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
