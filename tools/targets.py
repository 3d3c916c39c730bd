"""Parses the options of make targets with make's own notation: PORT=..., not --port."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn


class Target(argparse.ArgumentParser):
    """Is a parser that reports errors in one line with the names of make's variables. `prog` is as in "make run"."""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with status 2."""
        said = re.sub(r"^argument --([a-z]+)", lambda found: found[1].upper(), message)
        self.exit(2, f"{self.prog}: {said}\n")
