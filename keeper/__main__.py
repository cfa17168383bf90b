"""``python -m keeper``: the same as ``keeper``."""

from keeper.cli import main

raise SystemExit(main())
