"""Checkpoints and MetaGraphs of Savers, from here to TensorFlow and back."""
import pathlib
import subprocess
import tempfile
import unittest

import drivers
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
EXAMPLE = drivers.example("variables")
OPTIONS = [[], ["resource"], ["sharded"], ["resource", "sharded"], ["V1"], ["resource", "V1", "sharded"],
           ["table"], ["resource", "table", "V1"]]


def example(*arguments):
    """Runs the example of the crate."""
    subprocess.run([EXAMPLE, *arguments], check=True, capture_output=True, timeout=60)


def session():
    """A session with the devices of the example."""
    return v1.Session(config=v1.ConfigProto(device_count={"CPU": 2}))


def values(session):
    """All variables by name."""
    return {variable.op.name: session.run(variable) for variable in v1.global_variables()}


class Savers(unittest.TestCase):
    """What one side saves, the other restores and trains on."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def check(self, session, step):
        """The variables after this many steps."""
        got = values(session)
        np.testing.assert_array_equal(got["v1"], np.float32([1, 2, 3]) * step)
        np.testing.assert_array_equal(got["v2"], np.float32([5, -5]) / 2**step)
        np.testing.assert_array_equal(np.concatenate([got["p/part_0"], got["p/part_1"]]), np.ones((5, 2), np.float32))
        self.assertEqual(got["global_step"], step)
        for operation in session.graph.get_operations():
            if operation.type == "LookupTableExportV2":
                self.assertEqual(dict(zip(*session.run(operation.outputs))), {3: 30.5, 7: 70.5})

    def restored(self, path, step):
        """A session of TensorFlow that goes on from a checkpoint, and its Saver."""
        saver = v1.train.import_meta_graph(f"{self.dir}/model.ckpt-{step}.meta")
        opened = session()
        self.addCleanup(opened.close)
        saver.restore(opened, path)
        self.check(opened, step)
        return opened, saver

    def test_tensorflow_goes_on_from_here(self):
        for options in OPTIONS:
            with self.subTest(options=options), tf.Graph().as_default():
                example("save", self.dir / "model.ckpt", *options)
                state = tf.train.get_checkpoint_state(str(self.dir))
                self.assertEqual(len(state.all_model_checkpoint_paths), 2)
                self.assertEqual(tf.train.latest_checkpoint(str(self.dir)), state.model_checkpoint_path)
                opened, _ = self.restored(state.model_checkpoint_path, 3)
                opened.run(v1.get_collection("train_op"))
                self.check(opened, 4)

    def test_here_goes_on_from_tensorflow(self):
        for options in OPTIONS:
            with self.subTest(options=options), tf.Graph().as_default():
                example("save", self.dir / "model.ckpt", *options)
                state = tf.train.get_checkpoint_state(str(self.dir))
                opened, saver = self.restored(state.model_checkpoint_path, 3)
                opened.run(v1.get_collection("train_op"))
                path = saver.save(opened, f"{self.dir}/model.ckpt", global_step=4)
                example("restore", path, self.dir / "model.ckpt")
            with self.subTest(options=options), tf.Graph().as_default():
                self.restored(tf.train.latest_checkpoint(str(self.dir)), 5)

    def test_a_saver_of_tensorflow_over_the_same_graph_restores_both(self):
        example("save", self.dir / "model.ckpt", "resource")
        with tf.Graph().as_default():
            v1.train.import_meta_graph(f"{self.dir}/model.ckpt-3.meta")
            saver = v1.train.Saver()
            # Importing takes the names of nodes, not of scopes.
            self.assertEqual(saver.saver_def.restore_op_name, "save/restore_all_1")
            with session() as opened:
                saver.restore(opened, f"{self.dir}/model.ckpt-2")
                self.check(opened, 2)

    def test_a_graph_of_tensorflow_is_restored_and_saved_here(self):
        for resource in (False, True):
            with self.subTest(resource=resource), tf.Graph().as_default():
                partitioner = v1.fixed_size_partitioner(2)
                variables = [
                    v1.get_variable("v1", initializer=np.float32([1, 2, 3]), use_resource=resource),
                    v1.get_variable("v2", initializer=np.float32([2.5, -2.5]), use_resource=resource)]
                v1.get_variable("p", [5, 2], initializer=v1.ones_initializer(), use_resource=resource, partitioner=partitioner)
                step = v1.get_variable("global_step", initializer=np.int64(1), use_resource=resource)
                train = tf.group(v1.assign_add(variables[0], [1, 2, 3]), v1.assign(variables[1], variables[1] / 2),
                                 v1.assign_add(step, 1), name="train")
                v1.add_to_collection("train_op", train)
                saver = v1.train.Saver(sharded=resource)
                with session() as opened:
                    opened.run(v1.global_variables_initializer())
                    path = saver.save(opened, f"{self.dir}/model.ckpt", global_step=step)
                example("restore", path, self.dir / "model.ckpt")
            with self.subTest(resource=resource), tf.Graph().as_default():
                self.restored(f"{self.dir}/model.ckpt-2", 2)

    def test_a_checkpoint_of_objects_is_restored_by_the_names_of_variables(self):
        numbers = {"v1": np.float32([1, 2, 3]), "v2": np.float32([2.5, -2.5]), "global_step": np.int64(6)}
        objects = tf.train.Checkpoint(**{f"of_{name}": tf.Variable(value, name=name) for name, value in numbers.items()})
        path = objects.save(str(self.dir / "objects"))
        for resource in (False, True):
            with self.subTest(resource=resource), tf.Graph().as_default():
                for name, value in numbers.items():
                    v1.get_variable(name, initializer=np.zeros_like(value), use_resource=resource)
                v1.add_to_collection("train_op", v1.assign_add(v1.global_variables()[2], 1).op)
                v1.train.Saver().export_meta_graph(f"{path}.meta")
                example("restore", path, self.dir / "names")
                read = {name: tf.train.load_variable(f"{self.dir}/names-7", name) for name in numbers}
                np.testing.assert_array_equal(read["v1"], numbers["v1"])
                np.testing.assert_array_equal(read["v2"], numbers["v2"])
                self.assertEqual(read["global_step"], 7)


if __name__ == "__main__":
    unittest.main()
