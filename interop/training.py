"""Models that TensorFlow trains, to be trained on elsewhere: {name: function that builds one}.

A builder is called in a graph of its own. It returns a Model: what is fed, the loss and the train op. Batches are fixed
by seeds. `flowkeep train` finds everything else in the MetaGraph.
"""
import contextlib
import typing

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
ONE_THREAD = v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)

OPTIMIZERS = {
    "GradientDescent": lambda step: v1.train.GradientDescentOptimizer(0.1),
    "Momentum": lambda step: v1.train.MomentumOptimizer(0.05, 0.9),
    "Nesterov": lambda step: v1.train.MomentumOptimizer(0.05, 0.9, use_nesterov=True),
    "Adam": lambda step: v1.train.AdamOptimizer(0.01),
    "Adagrad": lambda step: v1.train.AdagradOptimizer(0.1),
    "AdagradDA": lambda step: v1.train.AdagradDAOptimizer(
        0.2, step, l1_regularization_strength=0.0005, l2_regularization_strength=0.001
    ),
    "Adadelta": lambda step: v1.train.AdadeltaOptimizer(5.0),
    "RMSProp": lambda step: v1.train.RMSPropOptimizer(0.005, momentum=0.5),
    "CenteredRMSProp": lambda step: v1.train.RMSPropOptimizer(0.005, momentum=0.5, centered=True),
    "Ftrl": lambda step: v1.train.FtrlOptimizer(0.2, l1_regularization_strength=0.001, l2_regularization_strength=0.001),
    "FtrlShrinkage": lambda step: v1.train.FtrlOptimizer(0.2, l2_shrinkage_regularization_strength=0.01),
    "ProximalGradientDescent": lambda step: v1.train.ProximalGradientDescentOptimizer(
        0.1, l1_regularization_strength=0.001, l2_regularization_strength=0.001
    ),
    "ProximalAdagrad": lambda step: v1.train.ProximalAdagradOptimizer(
        0.1, l1_regularization_strength=0.001, l2_regularization_strength=0.001
    ),
}


class Model(typing.NamedTuple):
    """A model in the default graph."""

    batches: dict  # by name of tensor; the first axis counts steps
    loss: tf.Tensor
    train_op: tf.Operation


def global_step(resource):
    """The variable that counts steps."""
    collections = [v1.GraphKeys.GLOBAL_VARIABLES, v1.GraphKeys.GLOBAL_STEP]
    return v1.get_variable(
        "global_step", [], tf.int64, v1.zeros_initializer(), trainable=False, collections=collections, use_resource=resource
    )


def placeholders(batches):
    """A placeholder for each array, of any number of rows; and the arrays by names of tensors."""
    tensors = {name: v1.placeholder(array.dtype, [None, *array.shape[2:]], name) for name, array in batches.items()}
    return tensors, {f"{name}:0": array for name, array in batches.items()}


def variable(name, shape, resource, initializer=None):
    """A variable of floats."""
    return v1.get_variable(name, shape, initializer=initializer or v1.glorot_uniform_initializer(), use_resource=resource)


def dense(x, name, units, resource):
    """A dense layer without activation."""
    with v1.variable_scope(name):
        kernel = variable("kernel", [x.shape[-1], units], resource)
        bias = variable("bias", [units], resource, v1.zeros_initializer())
        return tf.nn.bias_add(tf.matmul(x, kernel), bias)


def cross_entropy(labels, logits):
    """The mean loss of a classifier."""
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    return tf.reduce_mean(each, name="loss")


def labels_of(values, n_classes):
    """Classes that can be learned: by which of some random directions a row points along most."""
    rng = np.random.default_rng(7)
    return np.argmax(values @ rng.normal(size=(values.shape[-1], n_classes)), -1)


def embedding(optimizer, resource, n_steps):
    """Words with an embedding, which gets sparse gradients with indices that repeat, beside dense features."""
    rng = np.random.default_rng(1)
    dense_features = rng.normal(size=(n_steps, 8, 6)).astype(np.float32)
    arrays = {
        "features": dense_features,
        "words": rng.integers(0, 12, (n_steps, 8, 3)),
        "labels": labels_of(dense_features, 4).astype(np.int32),
    }
    tensors, batches = placeholders(arrays)
    step = global_step(resource)
    table = variable("table", [20, 5], resource)
    words = tf.reduce_mean(tf.nn.embedding_lookup(table, tensors["words"]), 1)
    hidden = tf.tanh(dense(tf.concat([tensors["features"], words], 1), "hidden", 10, resource))
    loss = cross_entropy(tensors["labels"], dense(hidden, "logits", 4, resource))
    train_op = OPTIMIZERS[optimizer](step).minimize(loss, global_step=step, name="train")
    return Model(batches, loss, train_op)


def cnn(resource, n_steps):
    """Convolutions with batch normalization and dropout, trained by Momentum."""
    rng = np.random.default_rng(2)
    images = rng.normal(size=(n_steps, 8, 10, 10, 2)).astype(np.float32)
    arrays = {"images": images, "labels": labels_of(images[:, :, 2:4, 2:4].reshape(n_steps, 8, -1), 3)}
    tensors, batches = placeholders(arrays)
    step = global_step(resource)
    x, updates = tensors["images"], []
    for idx, channels in enumerate([6, 8]):
        with v1.variable_scope(f"conv{idx}"):
            kernel = variable("kernel", [3, 3, x.shape[-1], channels], resource)
            x = tf.nn.conv2d(x, kernel, 1, "SAME")
            ones, zeros = v1.ones_initializer(), v1.zeros_initializer()
            gamma, beta = variable("gamma", [channels], resource, ones), variable("beta", [channels], resource, zeros)
            x, mean, variance = v1.nn.fused_batch_norm(x, gamma, beta, epsilon=1e-3, is_training=True)
            for name, value, initializer in [("mean", mean, zeros), ("variance", variance, ones)]:
                moving = v1.get_variable(f"moving_{name}", [channels], initializer=initializer, trainable=False, use_resource=resource)
                updates.append(v1.assign_sub(moving, (moving - value) * 0.1))
            x = tf.nn.max_pool2d(tf.nn.relu(x), 2, 2, "VALID")
    x = tf.nn.dropout(tf.reshape(x, [-1, 2 * 2 * 8]), rate=0.3, seed=11)
    loss = cross_entropy(tensors["labels"], dense(x, "logits", 3, resource))
    with tf.control_dependencies(updates):
        train_op = v1.train.MomentumOptimizer(0.02, 0.9).minimize(loss, global_step=step, name="train")
    return Model(batches, loss, train_op)


class LSTMCell:
    """The cell of tf.compat.v1.nn.rnn_cell, node by node; that one is not in every installation."""

    def __init__(self, units, inputs, resource):
        self.units = self.output_size = units
        self.state_size = (units, units)
        self.kernel = variable("kernel", [inputs + units, 4 * units], resource)
        self.bias = variable("bias", [4 * units], resource, v1.zeros_initializer())

    def zero_state(self, batch_size, dtype):
        """The state before the first step."""
        return tuple(tf.zeros([batch_size, self.units], dtype) for _ in range(2))

    def __call__(self, inputs, state, scope=None):
        c, h = state
        gates = tf.nn.bias_add(tf.matmul(tf.concat([inputs, h], 1), self.kernel), self.bias)
        i, j, f, o = tf.split(gates, 4, 1)
        c = c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j)
        h = tf.tanh(c) * tf.sigmoid(o)
        return h, (c, h)


@contextlib.contextmanager
def loops(new):
    """Builds loops as While, or of Enter, Switch and so on."""
    was = v1.control_flow_v2_enabled()
    (v1.enable_control_flow_v2 if new else v1.disable_control_flow_v2)()
    try:
        yield
    finally:
        (v1.enable_control_flow_v2 if was else v1.disable_control_flow_v2)()


def rnn(resource, n_steps, new=False):
    """A dynamic_rnn over sequences of different lengths, trained by Adam with clipped gradients."""
    rng = np.random.default_rng(3)
    sequences = rng.normal(size=(n_steps, 6, 7, 4)).astype(np.float32)
    arrays = {
        "sequences": sequences,
        "lengths": rng.integers(2, 8, (n_steps, 6)).astype(np.int32),
        "labels": labels_of(sequences[:, :, 0], 3),
    }
    with loops(new):
        tensors, batches = placeholders(arrays)
        step = global_step(resource)
        with v1.variable_scope("rnn"):
            cell = LSTMCell(9, 4, resource)
        _, (_, last) = v1.nn.dynamic_rnn(cell, tensors["sequences"], tensors["lengths"], dtype=tf.float32)
        loss = cross_entropy(tensors["labels"], dense(last, "logits", 3, resource))
        optimizer = v1.train.AdamOptimizer(0.02)
        gradients, variables = zip(*optimizer.compute_gradients(loss))
        clipped, _ = tf.clip_by_global_norm(gradients, 0.5)
        train_op = optimizer.apply_gradients(zip(clipped, variables), global_step=step, name="train")
    return Model(batches, loss, train_op)


def schedule(resource, n_steps):
    """A learning rate that decays by the global step, clipped gradients, and moving averages of all variables."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(n_steps, 16, 5)).astype(np.float32)
    tensors, batches = placeholders({"x": x, "y": np.sin(x.sum(-1, keepdims=True))})
    step = global_step(resource)
    hidden = tf.nn.relu(dense(tensors["x"], "hidden", 12, resource))
    loss = tf.reduce_mean(tf.math.squared_difference(dense(hidden, "out", 1, resource), tensors["y"]), name="loss")
    rate = v1.train.exponential_decay(0.2, step, 7, 0.8, staircase=False)
    optimizer = v1.train.GradientDescentOptimizer(rate)
    gradients, variables = zip(*optimizer.compute_gradients(loss))
    clipped, _ = tf.clip_by_global_norm(gradients, 1.0)
    apply = optimizer.apply_gradients(zip(clipped, variables), global_step=step)
    # Initial values of averages depend on those of variables, by conditions of the older kind.
    with loops(new=False), tf.control_dependencies([apply]):
        averages = v1.train.ExponentialMovingAverage(0.9, step).apply(v1.trainable_variables())
    return Model(batches, loss, tf.group(averages, name="train"))


MODELS = {f"embedding {name}": (lambda resource, n, name=name: embedding(name, resource, n)) for name in OPTIMIZERS}
MODELS |= {"cnn": cnn, "rnn": rnn, "rnn While": lambda resource, n: rnn(resource, n, new=True), "schedule": schedule}


class Training:
    """A model of MODELS, trained by TensorFlow: saved after some steps, and the losses of those that follow."""

    def __init__(self, name, resource, folder, first, n):
        self.graph = tf.Graph()
        with self.graph.as_default():
            v1.set_random_seed(5)
            self.model = MODELS[name](resource, first + n)
            v1.add_to_collection(v1.GraphKeys.TRAIN_OP, self.model.train_op)
            initializer = v1.global_variables_initializer()
            self.saver = v1.train.Saver()
        with v1.Session(graph=self.graph, config=ONE_THREAD) as session:
            session.run(initializer)
            self.first_losses = self.steps(session, 0, first)
            self.prefix = self.saver.save(session, str(folder / "model.ckpt"), global_step=first)

    def steps(self, session, first, last):
        """Trains on some batches; returns the losses."""
        losses = []
        for idx in range(first, last):
            feeds = {name: array[idx] for name, array in self.model.batches.items()}
            losses.append(float(session.run([self.model.loss, self.model.train_op], feeds)[0]))
        return losses

    def resumed(self, prefix, first, last):
        """The losses of some steps after a checkpoint."""
        with v1.Session(graph=self.graph, config=ONE_THREAD) as session:
            self.saver.restore(session, str(prefix))
            return self.steps(session, first, last)

    def write_batches(self, path, first, last):
        """Writes the batches of some steps."""
        np.savez(path, **{name: array[first:last] for name, array in self.model.batches.items()})

    def resource_variables(self):
        """Whether all variables are resources; None if only some are."""
        with self.graph.as_default():
            forms = {variable.op.type == "VarHandleOp" for variable in v1.global_variables()}
        return forms.pop() if len(forms) == 1 else None
