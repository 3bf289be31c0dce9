"""Run the command line of `sim.selftest.command`."""

import sys

from sim.selftest.command import main

if __name__ == "__main__":
    sys.exit(main())
