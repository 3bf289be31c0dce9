"""Run the command line of `sim.describe.command`."""

import sys

from sim.describe.command import main
from sim.streams import command

if __name__ == "__main__":
    sys.exit(command(main))
