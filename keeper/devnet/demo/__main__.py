"""``python -m keeper.devnet.demo docs/demo.svg`` plays the demo and draws its page, for the README."""

import sys
from pathlib import Path

from keeper.devnet.build import SEED
from keeper.devnet.demo.command import draw, play

draw(play(seed=SEED), Path(sys.argv[1]))
