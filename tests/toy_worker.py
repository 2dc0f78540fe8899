"""A worker with the toy model, as a process: ``python -m tests.toy_worker``, with settings from RAPPORT_*."""

import os
import sys

from streams.app import run_worker
from streams.config import load_settings
from streams.errors import EXIT_USAGE, RapportError
from tests.toy import Empty, Toy

if __name__ == "__main__":
    model = Empty() if os.environ.get("TOY") == "empty" else Toy(padding=300)
    try:
        run_worker(load_settings(), model)
    except RapportError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_USAGE)
