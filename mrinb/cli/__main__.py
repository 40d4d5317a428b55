"""``python -m mrinb.cli``, the same as ``mrinb``."""

from mrinb.cli import main

main()
