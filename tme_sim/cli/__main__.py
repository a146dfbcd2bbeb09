"""``python -m tme_sim.cli``."""

import sys

from tme_sim.cli import main

sys.exit(main())
