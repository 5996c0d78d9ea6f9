"""Functions of TF2 models that are made here, called by paths in TensorFlow and in flowkeep."""
import json
import pathlib
import subprocess
import tempfile
import unittest

import drivers
import numpy as np
import tensorflow as tf
from tensorflow.python.saved_model.load import load_partial

from generators import object_models
from generators.object_models import encode, f32, tensor

KINDS = [tf.float32, tf.float64, tf.int32, tf.int64]


def flowkeep(directory, steps, **options):
    """What flowkeep gives for all steps, or the error of loading."""
    request = json.dumps({"model": str(directory), "steps": steps, **options})
    done = subprocess.run([drivers.example("call_objects")], input=request.encode(), capture_output=True, check=True, timeout=120)
    return json.loads(done.stdout)


class Random(tf.Module):
    """A tree of modules with variables, functions and structures that a seed chooses."""

    def __init__(self, random, depth):
        super().__init__()
        self.dtype = KINDS[random.integers(len(KINDS))]
        self.v = tf.Variable(tf.cast(random.integers(-5, 6, size=3), self.dtype), name=["v", "same"][random.integers(2)])
        self.by = tf.constant(int(random.integers(1, 4)), self.dtype)
        self.children = []
        self.named = {}
        for idx in range(int(random.integers(0, 3)) if depth else 0):
            child = Random(random, depth - 1)
            if random.integers(2):
                self.children.append(child)
            else:
                self.named[f"child {idx}"] = child

    @tf.function
    def f(self, x, times=1, *, mode="add"):
        result = self.v * self.by * tf.cast(times, self.dtype)
        result = result + x if mode == "add" else result - x
        return {"result": result, "shape": (tf.shape(x), [x])}

    @tf.function
    def step(self, by=None):
        self.v.assign_add(tf.zeros_like(self.v) + (self.by if by is None else by))
        return self.v.read_value()

    def traced(self, path=""):
        """Traces the functions of the tree; gives steps that call them all."""
        x = tf.cast([1, 2, 3], self.dtype)
        self.f(x)
        self.f(x, mode="sub")
        self.f(x, tf.constant(2))
        self.f(tf.cast([[1], [2]], self.dtype), 3)
        self.step()
        self.step(x)
        call = {"call": f"{path}f"}
        steps = [
            {**call, "args": [encode(x)]}, {**call, "kwargs": {"x": encode(x), "mode": "sub"}},
            {**call, "args": [encode(x), tensor(5, np.int32)]}, {**call, "args": [encode(x), 4]},
            {**call, "args": [encode(tf.cast([[7], [8]], self.dtype)), 3]}, {**call, "args": [encode(x)], "kwargs": {"mode": "x"}},
            {**call, "args": [encode(tf.cast([1], self.dtype))]}, {"call": f"{path}step"}, {"value": f"{path}v"},
            {"call": f"{path}step", "args": [encode(x)]}, {"assign": f"{path}v", "to": encode(x)}, {"value": f"{path}v"},
            {"call": f"{path}step"},
        ]
        for idx, child in enumerate(self.children):
            steps += child.traced(f"{path}children.{idx}.")
        for name, child in self.named.items():
            steps += child.traced(f"{path}named.{name}.")
        return steps


class Objects(unittest.TestCase):
    """Each model is called step by step on both sides."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def same(self, got, want, where):
        """Compares two results: floats but for rounding, of errors that they are some."""
        if isinstance(want, dict) and "error" in want:
            self.assertIn("error", got, where)
            self.assertEqual(got["error"][:40], want["error"][:40], where)
        elif isinstance(want, dict) and "hex" in want:
            self.assertEqual([got.get("dtype"), got.get("shape")], [want["dtype"], want["shape"]], f"{where}: {got}")
            got, want = (object_models.decode_tensor(value).numpy() for value in (got, want))
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6, err_msg=where)
        elif isinstance(want, dict):
            self.assertEqual(set(got), set(want), f"{where}: {got}")
            for key in want:
                self.same(got[key], want[key], where)
        elif isinstance(want, list):
            self.assertEqual(len(got), len(want), f"{where}: {got}")
            for one, other in zip(got, want):
                self.same(one, other, where)
        else:
            self.assertEqual(got, want, where)

    def both(self, directory, steps):
        got, want = flowkeep(directory, steps), object_models.run(directory, steps)
        self.assertEqual(len(got), len(want), got)
        for step, one, other in zip(steps, got, want):
            self.same(one, other, json.dumps(step))

    def test_models_with_everything(self):
        for name, make in object_models.MODELS.items():
            with self.subTest(name):
                directory = self.dir / name
                self.both(directory, make(directory))

    def test_random_trees_of_modules(self):
        for seed in range(8):
            with self.subTest(seed):
                model = Random(np.random.default_rng(seed), depth=2)
                steps = model.traced()
                tf.saved_model.save(model, str(self.dir / str(seed)))
                self.both(self.dir / str(seed), steps)

    def test_a_part_of_a_model(self):
        directory = self.dir / "model"
        object_models.nested(directory)
        steps = [{"call": "layers.1.__call__", "args": [f32([[1, 2, 3]])]}]
        whole = object_models.run(directory, steps)
        self.same(flowkeep(directory, steps, filters=["root.layers"]), whole, "a part")
        for filters in (["root.nothing"], ["layers"], ["root.__call__"]):
            with self.subTest(filters), self.assertRaises(ValueError) as caught:
                load_partial(str(directory), filters)
            said = flowkeep(directory, steps, filters=filters)["error"]
            self.assertEqual(said[:60], str(caught.exception)[:60])

    def test_keras_export(self):
        keras = tf.keras
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(2)])
        drivers.keras_export(model, self.dir / "keras")
        x = f32([[1, 2, 3, 4]])
        self.both(self.dir / "keras", [{"call": "serve", "args": [x]}])

    def test_keras_2(self):
        try:
            tf_keras = __import__("tf_keras") if drivers.KERAS_3 else tf.keras
        except ImportError:
            self.skipTest("tf_keras is not there")
        model = tf_keras.Sequential([tf_keras.layers.Dense(3, "relu", input_shape=(4,)), tf_keras.layers.Dense(2)])
        model.compile("adam", "mse")
        model.fit(np.ones((2, 4)), np.ones((2, 2)), verbose=0)
        model.save(str(self.dir / "keras"), save_format="tf")
        x = f32([[1, 2, 3, 4]])
        self.both(self.dir / "keras", [
            {"call": "__call__", "args": [x], "kwargs": {"training": False}},
            {"call": "call_and_return_all_conditional_losses", "args": [x, False]},
            {"value": "variables.0"},
        ])


if __name__ == "__main__":
    unittest.main()
