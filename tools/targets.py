"""The options of targets of make, in the words in which make takes them: PORT=..., not --port."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn


class Target(argparse.ArgumentParser):
    """A parser whose faults are one line that names variables of make. `prog`: as in "make run"."""

    def error(self, message: str) -> NoReturn:
        """Print the fault and exit with status 2."""
        said = re.sub(r"^argument --([a-z]+)", lambda found: found[1].upper(), message)
        self.exit(2, f"{self.prog}: {said}\n")
