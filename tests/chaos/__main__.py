"""`python -m tests.chaos`: attack results on the disk and report what was noticed. At a failure the status is 1."""

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaigns, each as large as asked for."""
    from tests.chaos import damages, errors, kills

    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=10, help="kills of a multirun (default 10; about 5 s each)")
    parser.add_argument("--damages", type=int, default=500, help="damaged files (default 500)")
    parser.add_argument("--swaps", type=int, default=100, help="exchanged, copied and renamed folders (default 100)")
    parser.add_argument("--errors", type=int, default=50, help="calls that fail (default 50; large: every call)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random numbers (default 0)")
    given = parser.parse_args(arguments)

    def attacked(folder: Path) -> Counter[str]:
        return damages.campaign(folder, given.damages, given.swaps, given.seed)

    def without_luck(folder: Path) -> Counter[str]:
        return errors.campaign(folder, given.errors) if given.errors else Counter()

    def killed(folder: Path) -> Counter[str]:
        return kills.campaign(folder, given.kills, given.seed) if given.kills else Counter()

    campaigns: dict[str, Callable[[Path], Counter[str]]] = {
        f"{given.damages} damages and {given.swaps} swaps": attacked,
        f"at most {given.errors} errors": without_luck,
        f"{given.kills} kills": killed,
    }
    failed = False
    for name, campaign in campaigns.items():
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            try:
                counts = campaign(Path(folder))
            except AssertionError as problem:
                failed = True
                print(f"FAILED  {name}, seed {given.seed}: {problem}", flush=True)
                traceback.print_exc(limit=-2)
                continue
        shown = ", ".join(f"{kind}: {count}" for kind, count in sorted(counts.items()))
        print(f"passed  {name} in {time.monotonic() - began:.0f} s ({shown})", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
