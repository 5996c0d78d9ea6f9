"""A graph that is built in Rust, imported and run by TensorFlow, beside the same network in NumPy."""
import pathlib
import subprocess
import tempfile
import unittest

import drivers
import numpy as np
import tensorflow as tf

EXAMPLE = drivers.example("build_network")


def weights(rows, columns):
    """What the example initializes its layers with."""
    return np.sin(np.arange(rows * columns, dtype=np.float32) * np.float32(0.7)).reshape(rows, columns)


class Classifier:
    """The network of the example in NumPy."""

    def __init__(self):
        self.hidden, self.output = weights(4, 8), weights(8, 3)

    def layers(self, x):
        """(outputs of the hidden layer, probabilities)"""
        hidden = np.maximum(x @ self.hidden, 0)
        logits = hidden @ self.output
        exp = np.exp(logits - logits.max(axis=1, keepdims=True))
        return hidden, exp / exp.sum(axis=1, keepdims=True)

    def fetched(self, x, y):
        """(probabilities, loss, accuracy)"""
        _, probabilities = self.layers(x)
        loss = -np.mean(np.log(np.sum(probabilities * y, axis=1)))
        return probabilities, loss, np.mean(probabilities.argmax(axis=1) == y.argmax(axis=1))

    def train(self, x, y):
        """One step."""
        hidden, probabilities = self.layers(x)
        self.output = self.output - 0.5 * (hidden.T @ (probabilities - y)) / len(x)


class BuiltGraphs(unittest.TestCase):
    """Graphs with variables of both forms."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def built(self, form):
        """The GraphDef that the example writes."""
        path = self.dir / f"{form}.pb"
        subprocess.run([EXAMPLE, form, path], check=True, capture_output=True, timeout=60)
        return tf.compat.v1.GraphDef.FromString(path.read_bytes())

    def check(self, form):
        """Trains for a few steps on both sides."""
        rng = np.random.default_rng(1)
        x = rng.standard_normal((16, 4)).astype(np.float32)
        y = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 16)]
        numpy = Classifier()
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            tf.import_graph_def(self.built(form), name="")
            session.run("init")
            losses = []
            for _ in range(8):
                got = session.run(["probabilities:0", "loss:0", "accuracy:0"], {"x:0": x, "y:0": y})
                for a, b in zip(got, numpy.fetched(x, y)):
                    np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)
                losses.append(got[1])
                session.run("train", {"x:0": x, "y:0": y})
                numpy.train(x, y)
        self.assertLess(losses[-1], losses[0])

    def test_a_network_with_reference_variables_runs_and_learns(self):
        self.check("ref")

    def test_a_network_with_resource_variables_runs_and_learns(self):
        self.check("resource")

    def test_the_graph_is_what_tensorflow_makes_of_it(self):
        # Importing fills in defaults and infers shapes again; nothing of the graph changes.
        for form in ("ref", "resource"):
            with self.subTest(form):
                built = self.built(form)
                graph = tf.Graph()
                with graph.as_default():
                    tf.import_graph_def(built, name="")
                again = {node.name: node for node in graph.as_graph_def().node}
                self.assertEqual(len(again), len(built.node))
                for node in built.node:
                    kept = again[node.name]
                    kept.ClearField("experimental_type")
                    self.assertEqual(node, kept)


if __name__ == "__main__":
    unittest.main()
