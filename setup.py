"""Compiles the pure modules with mypyc, where WITH_MYPYC=1 asks for it; the rest of the build is in pyproject.toml.

The same source either way: compiled, the fold and the reading and writing of records take a third of the time or less
(docs/performance.md). It needs a C compiler, setuptools and mypy, and no build isolation, as in deploy/Dockerfile.
"""

import os
from glob import glob

from setuptools import setup

COMPILED = [
    "schemas/binary.py",
    "schemas/rows.py",
    "streams/interactions.py",
    "streams/intake.py",
    "streams/partition.py",
    *sorted(set(glob("streams/metrics/*.py")) - {"streams/metrics/__init__.py"}),
]

extensions = []
if os.environ.get("WITH_MYPYC"):
    from mypyc.build import mypycify

    options = ["--config-file=", "--follow-imports=silent", "--ignore-missing-imports"]  # types are checked elsewhere
    extensions = mypycify([*options, *COMPILED], opt_level="3")

setup(ext_modules=extensions)
