"""Both sides of a comparison: the flowkeep binary and TensorFlow's own tools."""
import contextlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "fixtures"))

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from absl import flags, logging  # noqa: E402
from absl.testing import flagsaver  # noqa: E402
from tensorflow.python.tools import saved_model_cli  # noqa: E402

from generators import cases  # noqa: E402

tf.get_logger().setLevel("ERROR")
logging.set_verbosity(logging.ERROR)
saved_model_cli.create_parser()

TENSORFLOW = tuple(int(part) for part in tf.__version__.split(".")[:2])
KERAS_3 = TENSORFLOW >= (2, 16)

NEEDS_NUMPY_2 = unittest.skipUnless(int(np.__version__.split(".")[0]) >= 2, f"NumPy {np.__version__} rounds, counts and prints unlike NumPy 2, which is what is compared with")

CASE_FILES = sorted((ROOT / "fixtures" / "saved_models").glob("*.cases.json")) + [ROOT / "models" / "mnist" / "cases.json"]


def models():
    """[(name, SavedModel directory, cases)] of every committed model."""
    found = []
    for path in CASE_FILES:
        record = json.loads(path.read_text(encoding="utf-8"))
        directory = path.parent / record["model"]
        found.append((str(directory.relative_to(ROOT)), directory, record))
    return found


def keras_export(model, directory):
    """Exports a model of Keras as a SavedModel; that of TensorFlow 2.15 still is Keras 2."""
    model.export(str(directory), **({"verbose": False} if KERAS_3 else {}))


def example(name):
    """The path of a built example, see xtask."""
    return pathlib.Path(os.environ["FLOWKEEP_EXAMPLES"]) / name


def flowkeep_bytes(*arguments, cwd=None):
    """Runs the binary; returns (exit status, standard output as bytes, standard error)."""
    done = subprocess.run([os.environ["FLOWKEEP"], *map(str, arguments)], capture_output=True, cwd=cwd, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def flowkeep(*arguments, cwd=None):
    """Runs the binary; returns (exit status, standard output, standard error)."""
    status, out, err = flowkeep_bytes(*arguments, cwd=cwd)
    return status, out.decode(), err


def saved_model_cli_text(command, *arguments):
    """What TensorFlow's saved_model_cli prints; raises what it raises."""
    out = io.StringIO()
    with flagsaver.flagsaver(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        flags.FLAGS(["saved_model_cli", *map(str, arguments)])
        getattr(saved_model_cli, command)()
    return out.getvalue()


def tensorflow_runner(directory, sequence):
    """A function from (signature, inputs) to outputs on a freshly loaded model, and what must be closed after it."""
    if sequence["loader"] == "object":
        return cases.object_runner(directory, sequence["tags"]), contextlib.ExitStack()
    stack = contextlib.ExitStack()
    stack.enter_context(tf.Graph().as_default())
    session = stack.enter_context(tf.compat.v1.Session())
    return cases.session_runner(directory, sequence["tags"], session), stack


def write_input(folder, key, value):
    """Writes one input as a file that flowkeep reads: .npy, or .json for strings. Returns its path."""
    if value.dtype != object:
        path = folder / f"{key}.npy"
        np.save(path, value)
        return path

    def spell(x):
        return cases.json_bytes(x) if isinstance(x, bytes) else [spell(e) for e in x]

    path = folder / f"{key}.json"
    path.write_text(json.dumps(spell(value.item() if value.ndim == 0 else value.tolist())), encoding="utf-8")
    return path


def read_output(folder, key):
    """Reads one output of flowkeep: .npy, or .json where .npy cannot hold the strings."""
    if (folder / f"{key}.npy").exists():
        value = np.load(folder / f"{key}.npy", allow_pickle=False)
        return value.astype(object) if value.dtype.kind == "S" else value

    def plain(x):
        return [plain(e) for e in x] if isinstance(x, list) else cases.plain_bytes(x)

    return np.array(plain(json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))), dtype=object)


def ops_as_sets(text):
    """The text without the ops lines, and the sets that those lines name."""
    found, rest = [], []
    for line in text.splitlines():
        head, _, tail = line.partition("contains the following ops: ")
        if tail:
            found.append(frozenset(re.findall(r"'([^']+)'", tail)))
            line = head
        rest.append(line)
    return rest, found


def difference(got, want, rtol):
    """None when equal enough, else a sentence; floats by max|a-b| / max|b|, everything else exactly."""
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return f"shape {got.shape} instead of {want.shape}"
    if want.dtype == object or want.dtype.kind in "SU":
        same = [bytes(x) for x in got.ravel()] == [bytes(x) for x in want.ravel()]
        return None if same else f"{got.ravel()[:5]} instead of {want.ravel()[:5]}"
    if got.dtype != want.dtype:
        return f"dtype {got.dtype} instead of {want.dtype}"
    if want.dtype.kind != "f":
        return None if (got == want).all() else f"{got.ravel()[:5]} instead of {want.ravel()[:5]}"
    if not want.size:
        return None
    error = float(np.max(np.abs(got.astype(np.float64) - want)) / max(float(np.max(np.abs(want))), 1e-30))
    return None if error <= rtol else f"relative error {error:.3g} over {rtol:g}"
