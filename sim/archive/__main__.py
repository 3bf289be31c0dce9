"""Run the command line of `sim.archive.command`."""

import sys

from sim.archive.command import main
from sim.streams import command

if __name__ == "__main__":
    sys.exit(command(main))
