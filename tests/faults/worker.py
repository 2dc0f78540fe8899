"""The real worker in a world where time passes faster: ``python -m tests.faults.worker``, with settings from RAPPORT_*.

==================  ====================================================================================
``FAULTS_LAPSE``    as :meth:`tests.faults.lapse.Lapse.encode` writes it: what its ticks say
``FAULTS_STEP``     seconds by which this process's wall clock is wrong
``FAULTS_WITHOUT``  the name of a rule of the checkpoint protocol (tests/faults/rules.py) that is left out
==================  ====================================================================================
"""
# ruff: noqa: E402 - whoever imports the clock by name has to find the wrong one

import os
import sys
import time

STEP = float(os.environ.get("FAULTS_STEP", "0"))
right = time.time
time.time = lambda: right() + STEP

from types import SimpleNamespace
from typing import Any

import streams
from tests.faults.lapse import Lapse
from tests.faults.rules import MODULES, RULES, load

if without := os.environ.get("FAULTS_WITHOUT"):
    changed = load(next(rule for rule in RULES if rule.name == without))
    for name in MODULES:
        module = getattr(changed, name.removeprefix("streams."))
        sys.modules[name] = module
        setattr(streams, name.removeprefix("streams."), module)

from streams import __main__, pipeline


def world_time() -> float:
    lapse: Any = Lapse.decode(os.environ["FAULTS_LAPSE"])
    return float(lapse.at(right()) / 1000 + STEP)


if __name__ == "__main__":
    pipeline.time = SimpleNamespace(time=world_time)  # what the ticks are made of, and nothing else
    sys.argv[1:] = ["worker"]
    __main__.main()
