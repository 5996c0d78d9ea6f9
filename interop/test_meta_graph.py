"""MetaGraphs that go from Rust to TensorFlow, and from TensorFlow through Rust and back."""
import pathlib
import subprocess
import tempfile
import unittest

import drivers
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1

EXAMPLE = drivers.example("meta_graph")


def network(use_resource):
    """A layer, a loop around a conditional, what trains it, and the Saver; all in the default graph."""
    x = v1.placeholder(tf.float32, [None, 3], name="x")
    with v1.variable_scope("model", use_resource=use_resource):
        w = v1.get_variable("w", [3, 2], initializer=v1.random_normal_initializer(seed=1))
        parts = v1.get_variable("parts", [4, 2], partitioner=v1.fixed_size_partitioner(2), initializer=v1.random_normal_initializer(seed=2))
        h = tf.matmul(x, w) + tf.reduce_sum(tf.convert_to_tensor(parts), axis=0)

        def body(i, y):
            return [i + 1, v1.cond(tf.equal(i % 2, 0), lambda: y + h, lambda: y * 0.5)]

        _, y = v1.while_loop(lambda i, y: i < 5, body, [0, h])
    tf.identity(y, name="y")
    v1.add_to_collection("train_op", v1.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_mean(tf.square(y))))
    v1.add_to_collection("rates", 0.25)
    return v1.train.Saver()


class MetaGraphs(unittest.TestCase):
    """Both directions, with variables of both forms."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        v1.disable_control_flow_v2()
        self.addCleanup(v1.enable_control_flow_v2)

    def run_example(self, *arguments):
        """What the example prints."""
        done = subprocess.run([EXAMPLE, *arguments], check=True, capture_output=True, timeout=60, text=True)
        return done.stdout.splitlines()

    def check_export(self, form):
        """TensorFlow imports what was built in Rust, runs it, trains it and saves it."""
        path = self.dir / f"{form}.meta"
        self.run_example("export", form, path)
        x = np.array([[1.0, -1.0], [0.5, 2.0]], np.float32)
        with tf.Graph().as_default(), v1.Session() as session:
            saver = v1.train.import_meta_graph(str(path), import_scope="t")
            self.assertEqual([v.name for v in v1.global_variables()], ["t/layer/w:0", "t/layer/b:0"])
            self.assertEqual([v.name for v in v1.trainable_variables()], ["t/layer/w:0"])
            self.assertEqual(v1.get_collection("rate"), [0.5])
            session.run(v1.get_collection("init_op"))
            inputs, outputs = v1.get_collection("inputs"), v1.get_collection("outputs")
            want = np.maximum(x @ np.array([[1, 2], [3, 4]], np.float32) + 1, 0)
            np.testing.assert_array_equal(session.run(outputs[0], {inputs[0]: x}), want)
            loss = tf.reduce_mean(outputs[0])
            step = v1.train.GradientDescentOptimizer(0.1).minimize(loss)
            before = session.run(loss, {inputs[0]: x})
            session.run(step, {inputs[0]: x})
            self.assertLess(session.run(loss, {inputs[0]: x}), before)
            saver.save(session, str(self.dir / form))
            self.assertEqual(v1.train.list_variables(str(self.dir / form)), [("t/layer/b", [2]), ("t/layer/w", [2, 2])])

    def test_tensorflow_imports_trains_and_saves_reference_variables(self):
        self.check_export("ref")

    def test_tensorflow_imports_trains_and_saves_resource_variables(self):
        self.check_export("resource")

    def check_return(self, use_resource):
        """A network that TensorFlow saved goes into a scope in Rust, and TensorFlow restores and runs it as before."""
        prefix = self.dir / "model.ckpt"
        x = np.random.default_rng(3).standard_normal((4, 3)).astype(np.float32)
        with tf.Graph().as_default(), v1.Session() as session:
            saver = network(use_resource)
            session.run(v1.global_variables_initializer())
            before = session.run("y:0", {"x:0": x})
            names = [v.name for v in v1.global_variables()]
            saver.save(session, str(prefix), write_state=False)
            session.run(v1.get_collection("train_op"), {"x:0": x})
            after = session.run("y:0", {"x:0": x})
        # The prefix of the checkpoint is enough to find its MetaGraph.
        printed = self.run_example("import", prefix, "tower", "2", self.dir / "towers.meta")
        self.assertEqual(sorted(printed), sorted(f"{scope}/{name}" for scope in ("tower", "tower_1") for name in names))
        with tf.Graph().as_default(), v1.Session() as session:
            saver = v1.train.import_meta_graph(str(self.dir / "towers.meta"))
            saver.restore(session, str(prefix))
            np.testing.assert_array_equal(session.run("tower/y:0", {"tower/x:0": x}), before)
            session.run(v1.get_collection("train_op")[0], {"tower/x:0": x})
            np.testing.assert_allclose(session.run("tower/y:0", {"tower/x:0": x}), after, rtol=1e-5)
            self.assertEqual(v1.get_collection("rates"), [0.25, 0.25])
            # Both loops run in one step, each in its own frame.
            session.run([v.initializer for v in v1.global_variables() if v.name.startswith("tower_1/")])
            both = session.run(["tower/y:0", "tower_1/y:0"], {"tower/x:0": x, "tower_1/x:0": x})
            np.testing.assert_allclose(both[1], before, rtol=1e-5)
            # Contexts are those of loops that can be differentiated.
            v1.gradients(session.graph.get_tensor_by_name("tower_1/y:0"), session.graph.get_tensor_by_name("tower_1/x:0"))

    def test_a_network_with_reference_variables_moves_into_towers(self):
        self.check_return(False)

    def test_a_network_with_resource_variables_moves_into_towers(self):
        self.check_return(True)

    def test_metagraphs_without_changes_are_the_same_graphs(self):
        with tf.Graph().as_default():
            saver = network(True)
            first = v1.train.export_meta_graph(str(self.dir / "in.meta"), saver_def=saver.as_saver_def())
        self.run_example("import", self.dir / "in.meta", "", "1", self.dir / "out.meta")
        with tf.Graph().as_default():
            v1.train.import_meta_graph(str(self.dir / "out.meta"))
            again = v1.train.export_meta_graph(saver_def=first.saver_def)
        self.assertEqual(again.collection_def.keys(), first.collection_def.keys())
        nodes = {node.name: node for node in again.graph_def.node}
        self.assertEqual(nodes.keys(), {node.name for node in first.graph_def.node})
        for node in first.graph_def.node:
            kept = nodes[node.name]
            for each in (node, kept):
                each.ClearField("experimental_type")
                data = [name for name in each.input if not name.startswith("^")]
                control = sorted(name for name in each.input if name.startswith("^"))
                each.input[:] = [name.removesuffix(":0") for name in data] + control
            self.assertEqual(node, kept)
        self.assertEqual(again.meta_info_def.stripped_op_list, first.meta_info_def.stripped_op_list)


if __name__ == "__main__":
    unittest.main()
