"""Exports of Estimators, in TensorFlow 2.21 and in `flowkeep run`.

The committed ones always; with `run.py --estimator-python PYTHON`, an interpreter that has TensorFlow 2.15.1 (the last
with `tf.estimator`), also exports that are trained and written just now.
"""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import drivers
import numpy as np
import tensorflow as tf
from drivers import ROOT, difference, flowkeep
from generators import cases, estimators

# The examples of `generators.estimators`, as a user spells them.
SPELLED = [
    {"age": [33.0], "size": [0.5, -1.5], "color": ["green"], "city": ["rome"], "day": [3], "word": ["b"], "bought": ["x", "y"], "bought_weight": [0.5, 2.0]},
    {"size": [1.0, 1.0]},
]
ASKED = {
    "estimator_dnn_classifier": ("predict", "classification"),
    "estimator_linear_classifier": ("predict", "classification", "regression"),
    "estimator_linear_regressor": ("predict", "regression"),
    "estimator_wide_deep": ("predict", "regression"),
}


def outputs_of(text):
    """The arrays of `run --format json`."""
    found = {}
    for key, output in json.loads(text)["outputs"].items():
        if output["dtype"] == "string":
            values = [cases.plain_bytes(x) for x in np.array(output["value"], dtype=object).ravel()]
            found[key] = cases.strings(*values).reshape(output["shape"])
        else:
            found[key] = np.array(output["value"], dtype=tf.as_dtype(output["dtype"]).as_numpy_dtype).reshape(output["shape"])
    return found


class Estimators(unittest.TestCase):
    """What Estimators export runs, fed with examples and with features."""

    def compare(self, directory, key, inputs, *arguments):
        """One call of both; the arguments feed flowkeep what `inputs` feeds TensorFlow."""
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            wanted = cases.session_runner(directory, ["serve"], session)(key, inputs)
        status, out, err = flowkeep("run", "--dir", directory, "--tag_set", "serve", "--signature_def", key, "--format", "json", *arguments)
        self.assertEqual(status, 0, f"{directory} {key}: {out}{err}")
        got = outputs_of(out)
        self.assertEqual(sorted(got), sorted(wanted))
        for name, value in wanted.items():
            self.assertIsNone(difference(got[name], value, 1e-5), f"{directory} {key} {name}")

    def ask_with_examples(self, root):
        """Every export below `root` that takes serialized examples."""
        for name, keys in ASKED.items():
            for key in keys:
                rows = [cases.example(**row) for row in SPELLED]
                argument = "examples" if key == "predict" else "inputs"
                spelled = f"{argument}={SPELLED!r}"
                self.compare(root / name, key, {argument: cases.strings(*rows)}, "--input_examples", spelled)

    def ask_with_features(self, root):
        """The export that takes features as they are, and the one with ragged features."""
        (features,) = estimators.cases_dnn_regressor()
        (call,) = features["calls"]
        with tempfile.TemporaryDirectory() as folder:
            files = [f"{key}={drivers.write_input(pathlib.Path(folder), key, value)}" for key, value in call["inputs"].items()]
            self.compare(root / "estimator_dnn_regressor", "predict", call["inputs"], "--inputs", ";".join(files))
        row = {"words": ["A", "b"], "numbers": [1.0, -2.5, 0.5]}
        self.compare(root / "estimator_ragged", "serving_default", {"examples": cases.strings(cases.example(**row))}, "--input_examples", f"examples=[{row!r}]")

    def test_committed_exports_take_examples(self):
        self.ask_with_examples(ROOT / "fixtures" / "saved_models")

    def test_committed_exports_take_features(self):
        self.ask_with_features(ROOT / "fixtures" / "saved_models")

    def test_every_op_of_every_export_runs(self):
        for directory in sorted((ROOT / "fixtures" / "saved_models").glob("estimator_*/")):
            status, out, err = flowkeep("check", "--dir", directory, "--tag_set", "serve")
            self.assertEqual(status, 0, f"{directory}: {out}{err}")

    def test_fresh_exports_compute_the_same(self):
        python = os.environ.get("ESTIMATOR_PYTHON")
        if not python:
            self.skipTest("no environment with tf.estimator was named (run.py --estimator-python): only the committed exports were run")
        with tempfile.TemporaryDirectory() as folder:
            script = ROOT / "fixtures" / "generate_estimators.py"
            done = subprocess.run([python, script, folder], capture_output=True, text=True, timeout=600, check=False)
            self.assertEqual(done.returncode, 0, done.stderr[-2000:])
            self.ask_with_examples(pathlib.Path(folder))
            self.ask_with_features(pathlib.Path(folder))
