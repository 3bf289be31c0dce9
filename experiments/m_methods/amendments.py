"""M: its amendments. They are the history of the claim, so they are no part of its digest."""

from experiments.predictions import Amendment

AMENDMENTS: tuple[Amendment, ...] = ()
"""The amendments, oldest first."""
