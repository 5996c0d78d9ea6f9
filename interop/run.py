#!/usr/bin/env python3
"""Runs the interop tests: the built flowkeep binary and TensorFlow over the same models.

    python interop/run.py --flowkeep target/release/flowkeep [unittest arguments, such as -v or -k show]

Needs the packages of interop/requirements.txt. No network, no GPU; a few minutes at most.
"""
import argparse
import os
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent


def main():
    """Parses the command line, points the tests at the binary and runs them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flowkeep", required=True, type=pathlib.Path, help="the binary to test")
    parser.add_argument("--examples", type=pathlib.Path, help="the folder of the built examples [default: beside the binary]")
    parser.add_argument("--estimator-python", type=pathlib.Path, help="a Python with TensorFlow 2.15.1, for exports of Estimators made anew")
    arguments, rest = parser.parse_known_args()
    binary = arguments.flowkeep.resolve()
    if not os.access(binary, os.X_OK):
        parser.error(f"{binary} is not an executable file")
    os.environ["FLOWKEEP"] = str(binary)
    os.environ["FLOWKEEP_EXAMPLES"] = str((arguments.examples or binary.parent / "examples").resolve())
    if arguments.estimator_python:
        os.environ["ESTIMATOR_PYTHON"] = str(arguments.estimator_python)
    sys.path.insert(0, str(HERE))
    suite = [str(p.stem) for p in sorted(HERE.glob("test_*.py"))]
    program = unittest.main(module=None, argv=["interop", *rest, *([] if any(a in suite for a in rest) else suite)], exit=False)
    return 0 if program.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
