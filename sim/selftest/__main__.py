"""Run the command line of `sim.selftest.command`."""

import sys

from sim.selftest.command import main
from sim.streams import command

if __name__ == "__main__":
    sys.exit(command(main))
