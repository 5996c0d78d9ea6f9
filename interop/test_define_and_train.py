"""Programs that define and train, here; what they save goes on in TensorFlow."""
import pathlib
import re
import subprocess
import tempfile
import unittest

import drivers
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
KINDS = [[], ["ref"]]


def example(name, *arguments):
    """Runs an example of the crate; returns what it prints."""
    command = [drivers.example(name), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, timeout=300).stdout.decode()


def losses(printed):
    """The loss of each step."""
    return [float(text) for text in re.findall(r"^step \d+ loss (\S+)", printed, re.MULTILINE)]


class Training(unittest.TestCase):
    """The programs of TensorFlow's old guide, and a network."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def restored(self, path):
        """A session of TensorFlow that goes on from a checkpoint and its MetaGraph."""
        saver = v1.train.import_meta_graph(f"{path}.meta")
        session = v1.Session()
        self.addCleanup(session.close)
        saver.restore(session, str(path))
        return session

    def test_variables_are_saved_and_restored_and_one_of_them_alone(self):
        both = "v1 : [1.0, 1.0, 1.0]\nv2 : [-1.0, -1.0, -1.0, -1.0, -1.0]\n"
        second = "v1 : [0.0, 0.0, 0.0]\nv2 : [-1.0, -1.0, -1.0, -1.0, -1.0]\n"
        for kind in KINDS:
            with self.subTest(kind=kind), tf.Graph().as_default():
                path = self.dir / "model.ckpt"
                self.assertEqual(example("tutorial", "save", path, *kind), f"Model saved in path: {path}\n")
                self.assertEqual(example("tutorial", "restore", path, *kind), both)
                self.assertEqual(example("tutorial", "restore_v2", path, "v2", *kind), second)
                example("tutorial", "save_v2", self.dir / "v2.ckpt", *kind)
                self.assertEqual(tf.train.list_variables(str(self.dir / "v2.ckpt")), [("second", [5])])
                self.assertEqual(example("tutorial", "restore_v2", self.dir / "v2.ckpt", "second", *kind), second)
                session = self.restored(path)
                session.run("change")
                np.testing.assert_array_equal(session.run(v1.global_variables()[0]), [2, 2, 2])

    def test_a_line_is_found_as_tensorflow_finds_it(self):
        path = self.dir / "line"
        printed = example("linear_regression", path)
        points = {"x:0": [1, 2, 3, 4], "y:0": [0, -1, -2, -3]}
        with tf.Graph().as_default():
            session = self.restored(path)
            trained = session.run([*v1.trainable_variables(), "loss:0"], points)
            session.run("init")
            for _ in range(1000):
                session.run("train", points)
            there = session.run([*v1.trainable_variables(), "loss:0"], points)
        for here, there in zip(trained, there):
            np.testing.assert_allclose(here, there, rtol=1e-4, atol=1e-9)
        weight, bias, loss = (float(text) for text in re.findall(r"-?\d\.\d+(?:e-?\d+)?|\d+e-?\d+", printed))
        np.testing.assert_allclose([weight, bias, loss], [trained[0].item(), trained[1].item(), trained[2]], rtol=1e-6)
        np.testing.assert_allclose([weight, bias], [-1, 1], rtol=1e-4)

    def test_a_network_that_is_trained_here_is_trained_on_in_tensorflow(self):
        for kind in KINDS:
            with self.subTest(kind=kind), tf.Graph().as_default():
                path = self.dir / "model.ckpt"
                first = losses(example("digits", "train", path, 60, *kind))
                self.assertEqual(len(first), 60)
                self.assertLess(np.mean(first[-10:]), np.mean(first[:10]) / 2)
                here = losses(example("digits", "continue", f"{path}-60", 20))
                there = self.trained_on(f"{path}-60", 60, 20)
                np.testing.assert_allclose(here, there, rtol=1e-4)
                last = tf.train.load_variable(f"{path}-80", "logits/bias")
                np.testing.assert_allclose(last, self.bias, rtol=1e-3, atol=1e-6)
                self.assertEqual(tf.train.load_variable(f"{path}-80", "global_step"), 80)

    def trained_on(self, path, start, n_steps):
        """The losses of further steps in TensorFlow."""
        example("digits", "batches", start, n_steps, self.dir / "batches")
        data = np.fromfile(self.dir / "batches", np.uint8).reshape(n_steps, -1)
        split = 32 * 14 * 14 * 4
        session = self.restored(path)
        found = []
        for step in data:
            images = step[:split].view("<f4").reshape(32, 14, 14, 1)
            labels = step[split:].view("<i8")
            found.append(session.run(["loss:0", "train"], {"images:0": images, "labels:0": labels})[0])
        self.bias = session.run(next(v for v in v1.global_variables() if v.op.name == "logits/bias"))
        return found


if __name__ == "__main__":
    unittest.main()
