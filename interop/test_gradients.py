"""Gradients that are made in Rust, run by TensorFlow beside those of tf.gradients."""
import pathlib
import subprocess
import tempfile
import unittest

import drivers
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
EXAMPLE = drivers.example("make_gradients")


def perceptron(x):
    """Two layers and a loss."""
    w, b, v = (v1.get_variable(name, shape) for name, shape in (("w", [12, 8]), ("b", [8]), ("v", [8, 3])))
    logits = tf.matmul(tf.nn.relu(tf.nn.bias_add(tf.matmul(x, w), b)), v)
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=tf.nn.softmax(x[:, :3]), logits=logits)), [w, b, v]


def convolutional(x):
    """A window over an image, normalization, pooling."""
    f, scale, offset = (v1.get_variable(name, shape) for name, shape in (("f", [2, 2, 1, 3]), ("scale", [3]), ("offset", [3])))
    y = tf.nn.conv2d(tf.reshape(x, [-1, 3, 4, 1]), f, strides=1, padding="SAME")
    y, _, _ = v1.nn.fused_batch_norm(y, scale, offset)
    y = tf.nn.avg_pool2d(tf.nn.elu(tf.nn.max_pool2d(y, 2, 1, "SAME")), 2, 1, "VALID")
    return tf.reduce_sum(tf.square(y)), [f, scale, offset]


def elementwise(x):
    """Functions of one and two tensors, some broadcast."""
    a, b = v1.get_variable("a", [12]), v1.get_variable("b", [])
    y = tf.tanh(x * a) / (1.5 + tf.exp(b)) + tf.maximum(x, a) - tf.math.squared_difference(x, b)
    y += tf.sqrt(tf.abs(x) + 1.0) ** (2.0 + tf.sigmoid(a)) + tf.math.log1p(tf.square(x)) + tf.nn.softplus(a)
    return tf.reduce_sum(tf.where(x > 0.0, y, tf.minimum(y, 2.0 * y))), [a, b]


def shapes(x):
    """Parts of tensors, turned and put together again."""
    a = v1.get_variable("a", [3, 4])
    y = tf.concat([tf.transpose(tf.reshape(x, [-1, 3, 4]), [0, 2, 1]), tf.tile(tf.transpose(a)[tf.newaxis], [tf.shape(x)[0], 1, 1])], 2)
    first, rest = tf.split(tf.pad(y, [[0, 0], [1, 0], [0, 2]]), [3, 5], 2)
    y = tf.stack([first[:, 1:], rest[:, :-1, 2:]]) * 0.5
    return tf.reduce_mean(tf.reduce_max(y, 2) + tf.reduce_prod(y, [2])) + tf.reduce_sum(tf.cumsum(a, 1) ** 2), [a]


def embedding(x):
    """Rows of a table, some of them twice, and the table as a whole."""
    table = v1.get_variable("table", [6, 4])
    rows = tf.nn.embedding_lookup(table, tf.constant([0, 2, 2, 5]))
    sums = tf.math.unsorted_segment_sum(rows, [0, 0, 1, 1], 2)
    return tf.reduce_sum(sums * x[:2, :4]) + tf.nn.l2_loss(tf.gather(table, [1, 3], axis=1)), [table]


def attention(x):
    """Products of batches of matrices."""
    q, k = v1.get_variable("q", [4, 4]), v1.get_variable("k", [3, 3])
    x = tf.reshape(x, [-1, 3, 4])
    weights = tf.nn.softmax(tf.matmul(tf.matmul(x, q), x, transpose_b=True) + k)
    return tf.reduce_sum(tf.nn.log_softmax(tf.matmul(weights, x))), [q, k]


def conditional(x):
    """One of two layers, as TensorFlow 1 chooses it."""
    v1.disable_control_flow_v2()
    a, b = v1.get_variable("a", [12]), v1.get_variable("b", [12])
    y = v1.cond(tf.reduce_sum(x) < 1e3, lambda: tf.tanh(x * a), lambda: x + b) * a
    z = v1.cond(tf.reduce_sum(x) > 1e3, lambda: x, lambda: v1.cond(x[0, 0] < 1e3, lambda: y * b, lambda: x))
    v1.enable_control_flow_v2()
    return tf.reduce_sum(z), [a, b]


def branches(x):
    """Conditions of TensorFlow 2: variables, rows and values on the way in branches, one within another, one of three."""
    a, b, table = v1.get_variable("a", [12]), v1.get_variable("b", [12]), v1.get_variable("table", [6, 12])
    few, many = tf.reduce_sum(x) < 1e3, tf.reduce_sum(x) > 1e3
    y = tf.cond(few, lambda: tf.tanh(x * a) * tf.exp(b), lambda: x + b)
    inner = lambda: tf.cond(few, lambda: tf.sin(y * b) * a, lambda: y)
    z = tf.cond(many, lambda: y, inner) + tf.cond(few, lambda: tf.gather(table, [0, 2, 2]), lambda: table)[0]
    number = tf.cast(tf.argmax(tf.pad(x[0, :1] * 0.0, [[1, 1]], constant_values=1.0)), tf.int32) + 1
    z *= tf.switch_case(number, [lambda: x, lambda: tf.exp(z) * a, lambda: table[1] * z])
    return tf.reduce_sum(z), [a, b, table]


def pictures(x):
    """Images in other sizes, and tensors in parts."""
    a = v1.get_variable("a", [4, 3])
    image = tf.reshape(x, [-1, 3, 4, 1])
    y = v1.image.resize_bilinear(image, [5, 7], align_corners=True) + v1.image.resize_bicubic(image, [5, 7])
    y *= v1.image.resize_nearest_neighbor(image, [5, 7])
    parts = tf.dynamic_partition(a, [1, 0, 1, 1], 2)
    z = tf.dynamic_stitch([[2], [0, 1, 3]], [tf.tanh(parts[0]), parts[1] * 3.0])
    z = tf.tensor_scatter_nd_sub(tf.tensor_scatter_nd_update(tf.roll(z, 1, 0), [[0]], z[3:] ** 2), [[2]], z[:1] ** 3)
    z += tf.sparse.segment_mean(a, [0, 2, 3, 3], [0, 0, 1, 3]) * z
    return tf.reduce_sum(y) + tf.nn.l2_loss(z), [a]


def loops(x):
    """Loops of TensorFlow 1: products, two variables, a loop and a condition within, rows of a table."""
    w, table = v1.get_variable("w", [12]), v1.get_variable("table", [6, 12])

    def body(i, a, b):
        _, c = v1.while_loop(lambda j, _: j < i, lambda j, c: (j + 1, c * w + tf.sin(a)), [0, a])
        a = v1.cond(i > 1, lambda: tf.tanh(c) + b, lambda: c * w)
        return i + 1, a, b * w + tf.gather(table, [0, 1, i, 2, i]) * a

    _, a, b = v1.while_loop(lambda i, *_: i < 4, body, [0, x, x], shape_invariants=[tf.TensorShape([])] + [tf.TensorShape([None, 12])] * 2)
    return tf.reduce_sum(a * b), [w, table]


def recurrent(x):
    """A cell over time, whose inputs and states lie in tensor arrays; and rows one by one."""
    w = v1.get_variable("w", [7, 4])
    steps = v1.TensorArray(tf.float32, 4).unstack(tf.transpose(tf.reshape(x, [-1, 4, 3]), [1, 0, 2]))

    def body(i, state, out):
        state = tf.tanh(tf.matmul(tf.concat([steps.read(i), state], 1), w))
        return i + 1, state, out.write(i, state * tf.reduce_mean(state))

    start = [0, tf.zeros([tf.shape(x)[0], 4]), v1.TensorArray(tf.float32, 4)]
    _, state, out = v1.while_loop(lambda i, *_: i < 4, body, start, shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 4]), None])
    rows = tf.map_fn(lambda row: tf.nn.softmax(row) * row, x)
    return tf.reduce_sum(out.stack() ** 2) + tf.reduce_sum(state) + tf.nn.l2_loss(rows), [w]


def functional_loops(x):
    """Loops of TensorFlow 2: a loop and a condition within, a variable, rows, tensor arrays, and rows one by one."""
    w, table = v1.get_variable("w", [12]), v1.get_variable("table", [6, 12])

    def body(i, a, b, out):
        _, c = tf.while_loop(lambda j, _: j < i, lambda j, c: (j + 1, tf.tanh(c * w) + tf.sin(a)), [0, a])
        a = tf.cond(tf.reduce_sum(c) > 1.0, lambda: tf.tanh(c) + b, lambda: tf.sin(c) * w)
        b = b * w + tf.gather(table, [0, 1, i, 2, i]) * a
        return i + 1, a, b, out.write(i, tf.reduce_sum(a * b, 0))

    invariants = [tf.TensorShape([])] + [tf.TensorShape([None, 12])] * 2 + [None]
    start = [0, x, x, tf.TensorArray(tf.float32, 4)]
    _, a, b, out = tf.while_loop(lambda i, *_: i < 4, body, start, shape_invariants=invariants, maximum_iterations=6)
    rows = tf.map_fn(lambda row: tf.nn.softmax(row * w) * row, x)
    return tf.reduce_sum(a * b) + tf.reduce_sum(out.stack()) + tf.nn.l2_loss(rows), [w, table]


class Gradients(unittest.TestCase):
    """Networks by their names."""

    def check(self, build):
        """Compares the gradients with respect to all variables and the input."""
        with tempfile.TemporaryDirectory() as folder, tf.Graph().as_default() as graph:
            x = v1.placeholder(tf.float32, [None, 12], name="x")
            v1.set_random_seed(3)
            y, variables = build(x)
            init = v1.global_variables_initializer().name
            xs = [x] + [variable.handle for variable in variables]
            with_loops = any(node.type == "Exit" for node in graph.get_operations())
            forward, made = pathlib.Path(folder) / ("forward.meta" if with_loops else "forward.pb"), pathlib.Path(folder) / "made.pb"
            definition = v1.train.export_meta_graph(graph=graph) if with_loops else graph.as_graph_def()
            forward.write_bytes(definition.SerializeToString())
            command = [EXAMPLE, forward, y.name, ",".join(x.name for x in xs), made]
            lines = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()
            want = [v1.convert_to_tensor(gradient) for gradient in v1.gradients(y, [x] + variables)]
            feed = {"x:0": np.random.default_rng(2).standard_normal((5, 12)).astype(np.float32)}
            with v1.Session() as session:
                session.run(init)
                values, expected = session.run([[variable.read_value() for variable in variables], want], feed)
            definition = v1.GraphDef.FromString(made.read_bytes())
        with tf.Graph().as_default() as graph, v1.Session() as session:
            tf.import_graph_def(definition, name="")

            def gradient(line):
                parts = [graph.get_tensor_by_name(name) for name in line.split()]
                return parts[0] if len(parts) == 1 else v1.convert_to_tensor(tf.IndexedSlices(*parts))

            gradients = [gradient(line) for line in lines]
            handles = [graph.get_tensor_by_name(x.name) for x in xs[1:]]
            session.run([tf.raw_ops.AssignVariableOp(resource=handle, value=value) for handle, value in zip(handles, values)])
            got = session.run(gradients, feed)
        self.assertEqual(len(got), len(expected))
        for a, b in zip(got, expected):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
            self.assertGreater(np.abs(b).max(), 0.0)

    def test_gradients_of_networks_are_those_of_tensorflow(self):
        for build in (perceptron, convolutional, elementwise, shapes, embedding, attention, conditional, branches, pictures, functional_loops):
            with self.subTest(build.__name__):
                self.check(build)

    def test_gradients_of_loops_are_those_of_tensorflow(self):
        v1.disable_control_flow_v2()
        self.addCleanup(v1.enable_control_flow_v2)
        for build in (loops, recurrent):
            with self.subTest(build.__name__):
                self.check(build)


if __name__ == "__main__":
    unittest.main()
