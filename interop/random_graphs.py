#!/usr/bin/env python3
"""Random graphs, run by TensorFlow and by flowkeep.

    python interop/random_graphs.py --flowkeep target/release/flowkeep --seconds 3600 [--first SEED]

A seed makes a graph of up to 50 ops, control flow and functions among them, with inputs of random shapes. Both sides run
the same SavedModel. Prints the seeds whose results differ; its exit status says whether there were any.

Floats are compared by max|a-b| / max(1, max|b|). What jumps (comparisons, rounding, indices) is only computed from
numbers that both sides have exactly: integers, and floats that are multiples of 1/8.
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import sys
import tempfile
import time

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import drivers
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
FLOATS = [tf.float32, tf.float32, tf.float32, tf.float64]
INTS = [tf.int32, tf.int32, tf.int64]
BOUNDS = {"float32": 1e-4, "float64": 1e-9}
# No value is let grow beyond this, so that sums stay comparable.
LARGEST = 64.0
MAX_ELEMENTS = 600


class Value:
    """A tensor, whether both sides have it exactly, and what bounds it."""

    def __init__(self, tensor, exact, largest):
        self.tensor, self.exact, self.largest = tensor, exact, largest

    @property
    def dtype(self):
        """The data type."""
        return self.tensor.dtype.base_dtype

    @property
    def shape(self):
        """The shape as a list, unknown dimensions None; no tensor here has an unknown rank."""
        return self.tensor.shape.as_list()

    @property
    def rank(self):
        """The number of dimensions."""
        return len(self.shape)

    def known(self):
        """Whether all dimensions are."""
        return None not in self.shape


class Skip(Exception):
    """An op does not fit what there is."""


class Graph:
    """A graph that grows by random ops."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.feeds = {}
        self.values = []
        self.depth = 0

    # What there is.

    def pick(self, fits=lambda value: True):
        """One of the last values that fit."""
        found = [value for value in self.values if fits(value)]
        if not found:
            raise Skip
        return self.rng.choice(found[-8:] if self.rng.random() < 0.7 else found)

    def float(self, fits=lambda value: True):
        """A float."""
        return self.pick(lambda value: value.dtype.is_floating and fits(value))

    def integer(self, fits=lambda value: True):
        """An integer."""
        return self.pick(lambda value: value.dtype.is_integer and fits(value))

    def number(self, fits=lambda value: True):
        """A float or an integer."""
        return self.pick(lambda value: (value.dtype.is_floating or value.dtype.is_integer) and fits(value))

    def exact(self):
        """A number that both sides have exactly."""
        return self.number(lambda value: value.exact)

    def like(self, value):
        """A value of the same type that broadcasts with this one."""
        def fits(other):
            pairs = zip(reversed(value.shape), reversed(other.shape))
            return other.dtype == value.dtype and all(a == b or 1 in (a, b) for a, b in pairs)

        return self.pick(fits)

    def add(self, tensor, exact, largest):
        """Takes a result, made small enough."""
        if tensor.shape.rank is None or tensor.shape.rank > 5:
            raise Skip
        if tensor.shape.is_fully_defined() and tensor.shape.num_elements() > MAX_ELEMENTS:
            raise Skip
        if tensor.dtype.is_floating and largest > LARGEST:
            if exact:
                tensor, largest = tf.clip_by_value(tensor, -LARGEST, LARGEST), LARGEST
            else:
                tensor, exact, largest = tf.tanh(tensor * (1 / LARGEST)), False, 1.0
        self.values.append(Value(tensor, exact, largest))
        return self.values[-1]

    def input(self):
        """A placeholder and its value."""
        rng = self.rng
        shape = [rng.choice([1, 2, 3, 4]) for _ in range(rng.choice([0, 1, 1, 2, 2, 2, 3, 4]))]
        if rng.random() < 0.05 and shape:
            shape[rng.randrange(len(shape))] = 0
        dtype = rng.choice(FLOATS + INTS + [tf.bool])
        numbers = np.random.default_rng(rng.randrange(1 << 30))
        if dtype == tf.bool:
            value, largest = numbers.integers(0, 2, shape) == 1, 1
        else:
            value, largest = numbers.integers(-24, 25, shape), 24
            if dtype.is_floating:
                value, largest = value / 8, 3
        known = [None if rng.random() < 0.15 else size for size in shape]
        name = f"in{len(self.feeds)}"
        self.feeds[name] = np.asarray(value).astype(dtype.as_numpy_dtype)
        return self.add(v1.placeholder(dtype, known, name=name), True, largest)

    # Ops. Each takes what fits and adds what comes out, or skips.

    def unary(self):
        """Smooth functions of one float."""
        x = self.float()
        name, f, largest = self.rng.choice([
            ("tanh", tf.tanh, 1), ("sigmoid", tf.sigmoid, 1), ("sin", tf.sin, 1), ("cos", tf.cos, 1), ("erf", tf.math.erf, 1),
            ("elu", tf.nn.elu, x.largest), ("selu", tf.nn.selu, 1.8 * x.largest), ("softplus", tf.nn.softplus, x.largest + 1),
            ("softsign", tf.nn.softsign, 1), ("square", tf.square, x.largest**2), ("atan", tf.atan, 1.6),
            ("sqrt", lambda t: tf.sqrt(tf.abs(t) + 0.125), x.largest + 1), ("rsqrt", lambda t: tf.math.rsqrt(tf.abs(t) + 0.125), 3),
            ("log1p", lambda t: tf.math.log1p(tf.abs(t)), x.largest + 1), ("reciprocal", lambda t: tf.math.reciprocal(tf.abs(t) + 0.5), 2),
            ("exp", lambda t: tf.exp(tf.minimum(t, 3.0)), 21), ("leaky", tf.nn.leaky_relu, x.largest), ("asinh", tf.asinh, x.largest),
        ])
        self.add(f(x.tensor), False, largest)

    def unary_exact(self):
        """Functions of one number that give exact results of exact numbers."""
        x = self.number()
        f = self.rng.choice([tf.negative, tf.abs, tf.nn.relu, tf.identity, lambda t: tf.clip_by_value(t, -2, 2), tf.stop_gradient])
        self.add(f(x.tensor), x.exact, x.largest)

    def rounding(self):
        """Functions that jump."""
        x = self.float(lambda value: value.exact)
        self.add(self.rng.choice([tf.floor, tf.math.ceil, tf.round, tf.sign, tf.math.rint])(x.tensor), True, x.largest + 1)

    def binary(self):
        """Two numbers."""
        x = self.number()
        y = self.like(x)
        kind = self.rng.choice(["add", "sub", "max", "min", "mul", "div", "squared_difference", "floordiv", "floormod", "truncatediv"])
        exact, largest = x.exact and y.exact, x.largest + y.largest
        if kind in ("add", "sub", "max", "min"):
            f = {"add": tf.add, "sub": tf.subtract, "max": tf.maximum, "min": tf.minimum}[kind]
        elif kind in ("mul", "squared_difference"):
            f, largest = (tf.multiply, x.largest * y.largest) if kind == "mul" else (tf.math.squared_difference, largest**2)
            exact = exact and x.dtype.is_integer
        elif x.dtype.is_floating:
            f, exact, largest = (lambda a, b: a / (tf.abs(b) + 0.5)), False, 2 * x.largest
        else:
            nonzero = lambda b: tf.maximum(tf.abs(b), 1)  # noqa: E731
            f = {"floordiv": tf.math.floordiv, "floormod": tf.math.floormod}.get(kind, tf.truncatediv)
            f = (lambda g: lambda a, b: g(a, nonzero(b)))(f)
        self.add(f(x.tensor, y.tensor), exact, largest)

    def compare(self):
        """Truth values."""
        x = self.exact()
        y = self.like(x)
        if not y.exact:
            raise Skip
        f = self.rng.choice([tf.less, tf.less_equal, tf.greater, tf.greater_equal, tf.equal, tf.not_equal])
        self.add(f(x.tensor, y.tensor), True, 1)

    def logical(self):
        """Truth values of truth values."""
        x = self.pick(lambda value: value.dtype == tf.bool)
        y = self.like(x)
        f = self.rng.choice([tf.logical_and, tf.logical_or, lambda a, _: tf.logical_not(a), tf.not_equal])
        self.add(f(x.tensor, y.tensor), True, 1)

    def select(self):
        """One or the other."""
        x = self.pick()
        y = self.like(x)
        condition = self.pick(lambda value: value.dtype == tf.bool and value.shape in ([], x.shape))
        self.add(tf.where(condition.tensor, x.tensor, y.tensor), x.exact and y.exact, max(x.largest, y.largest))

    def cast(self):
        """Another type."""
        x = self.pick(lambda value: value.exact)
        to = self.rng.choice(FLOATS + INTS + [tf.bool])
        self.add(tf.cast(x.tensor, to), True, max(1, x.largest))

    def reduce(self):
        """Sums, means, extremes."""
        x = self.pick(lambda value: value.rank > 0 and value.known() and 0 not in value.shape)
        axes = self.rng.sample(range(x.rank), self.rng.randint(1, x.rank))
        axes = [axis - x.rank if self.rng.random() < 0.3 else axis for axis in axes]
        keep, n = self.rng.random() < 0.4, int(np.prod([x.shape[axis] for axis in axes]))
        if x.dtype == tf.bool:
            f, exact, largest = self.rng.choice([tf.reduce_any, tf.reduce_all]), True, 1
        else:
            f = self.rng.choice([tf.reduce_sum, tf.reduce_max, tf.reduce_min, tf.reduce_mean])
            exact = x.exact and (f is not tf.reduce_mean or x.dtype.is_integer)
            largest = x.largest * (n if f is tf.reduce_sum else 1)
        self.add(f(x.tensor, axis=axes if self.rng.random() < 0.8 else axes[0], keepdims=keep), exact, largest)

    def reshape(self):
        """The same elements in another shape."""
        x = self.pick()
        kind = self.rng.choice(["flat", "dynamic", "transpose", "expand", "reverse", "split"])
        if kind == "flat":
            y = tf.reshape(x.tensor, [-1])
        elif kind == "dynamic":
            y = tf.reshape(x.tensor, tf.concat([tf.shape(x.tensor), [1]], 0))
        elif kind == "transpose":
            y = tf.transpose(x.tensor, self.rng.sample(range(x.rank), x.rank))
        elif kind == "expand":
            y = tf.expand_dims(x.tensor, self.rng.randint(-x.rank - 1, x.rank))
        elif kind == "reverse" and x.rank:
            y = tf.reverse(x.tensor, [self.rng.randrange(x.rank)])
        elif x.rank and x.known() and x.shape[-1] % 2 == 0 and x.shape[-1]:
            y = self.rng.choice(tf.split(x.tensor, 2, axis=-1))
        else:
            raise Skip
        self.add(y, x.exact, x.largest)

    def slice(self):
        """A part."""
        x = self.pick(lambda value: value.rank > 0)
        parts = []
        for _ in range(self.rng.randint(1, x.rank)):
            limit = lambda: self.rng.choice([None, -2, -1, 0, 1, 2, 3])  # noqa: E731
            parts.append(slice(limit(), limit(), self.rng.choice([None, 1, 2, -1])))
        if self.rng.random() < 0.3:
            parts.append(tf.newaxis)
        if self.rng.random() < 0.3:
            parts.insert(0, Ellipsis)
        self.add(x.tensor[tuple(parts)], x.exact, x.largest)

    def join(self):
        """Several in one."""
        x = self.pick()
        same = [value for value in self.values if value.dtype == x.dtype and value.shape == x.shape and x.known()][-3:]
        if not same:
            raise Skip
        tensors = [value.tensor for value in same]
        if x.rank and self.rng.random() < 0.5:
            y = tf.concat(tensors, self.rng.randrange(-x.rank, x.rank))
        else:
            y = tf.stack(tensors, self.rng.randint(-x.rank - 1, x.rank))
        self.add(y, all(value.exact for value in same), max(value.largest for value in same))

    def enlarge(self):
        """Padding and repetition."""
        x = self.number(lambda value: value.known() and value.rank > 0)
        if self.rng.random() < 0.5:
            y = tf.tile(x.tensor, [self.rng.choice([1, 1, 2, 3]) for _ in x.shape])
        else:
            mode = self.rng.choice(["CONSTANT", "REFLECT", "SYMMETRIC"])
            room = [max(0, min(2, size - (mode == "REFLECT"))) for size in x.shape]
            y = tf.pad(x.tensor, [[self.rng.randint(0, most), self.rng.randint(0, most)] for most in room], mode)
        self.add(y, x.exact, x.largest)

    def gather(self):
        """Elements by index."""
        x = self.pick(lambda value: value.rank > 0 and value.known() and value.shape[0] > 0)
        indices = self.integer(lambda value: value.exact and value.known())
        indices = tf.math.floormod(indices.tensor, tf.constant(x.shape[0], indices.dtype))
        self.add(tf.gather(x.tensor, indices), x.exact, x.largest)

    def index(self):
        """Indices and counts."""
        x = self.number(lambda value: value.exact and value.rank > 0 and value.known() and 0 not in value.shape)
        kind = self.rng.choice(["argmax", "argmin", "size", "shape", "one_hot", "cumsum", "top_k", "range"])
        if kind in ("argmax", "argmin"):
            axis = self.rng.randrange(x.rank)
            y, largest = getattr(tf, kind)(x.tensor, axis, output_type=self.rng.choice(INTS)), x.shape[axis]
        elif kind == "one_hot":
            if not x.dtype.is_integer:
                raise Skip
            y, largest = tf.one_hot(x.tensor, 4, axis=self.rng.choice([-1, 0])), 1
        elif kind == "cumsum":
            axis = self.rng.randrange(x.rank)
            y = tf.cumsum(x.tensor, axis, exclusive=self.rng.random() < 0.3, reverse=self.rng.random() < 0.3)
            largest = x.largest * x.shape[axis]
        elif kind == "top_k":
            y, largest = self.rng.choice(tf.math.top_k(x.tensor, self.rng.randint(1, x.shape[-1]))), max(x.largest, x.shape[-1])
        elif kind == "range":
            y, largest = tf.range(tf.size(x.tensor)), MAX_ELEMENTS
        else:
            y, largest = {"size": tf.size, "shape": tf.shape}[kind](x.tensor), MAX_ELEMENTS
        self.add(y, True, largest)

    def dense(self):
        """Products of matrices."""
        x = self.float(lambda value: value.rank >= 2 and value.known())
        flip = self.rng.random() < 0.3
        inner, units = x.shape[-2 if flip else -1], self.rng.randint(1, 5)
        weights = np.random.default_rng(self.rng.randrange(1 << 30)).integers(-8, 9, [inner, units]) / 8
        batch = x.rank > 2
        weights = tf.constant(weights.astype(x.dtype.as_numpy_dtype))
        if batch:
            y = tf.matmul(x.tensor, tf.broadcast_to(weights, [*x.shape[:-2], inner, units]), transpose_a=flip)
        else:
            y = tf.matmul(x.tensor, weights, transpose_a=flip)
        if self.rng.random() < 0.5:
            y = tf.nn.bias_add(y, tf.constant([0.125] * units, x.dtype))
        self.add(y, False, x.largest * inner + 1)

    def normalize(self):
        """Softmax and the like."""
        x = self.float(lambda value: value.rank > 0 and value.known() and 0 not in value.shape)
        f, largest = self.rng.choice([
            (tf.nn.softmax, 1), (tf.nn.log_softmax, 2 * x.largest + 6), (lambda t: tf.nn.l2_normalize(t, -1), 1),
            (lambda t: tf.reduce_logsumexp(t, -1), x.largest + 6),
            (lambda t: (t - tf.reduce_mean(t, -1, keepdims=True)) * tf.math.rsqrt(tf.math.reduce_variance(t, -1, keepdims=True) + 0.1), 10),
        ])
        self.add(f(x.tensor), False, largest)

    def image(self):
        """Convolution and pooling."""
        x = self.pick(lambda value: value.dtype == tf.float32 and value.rank == 4 and value.known() and 0 not in value.shape)
        channels, padding, strides = x.shape[3], self.rng.choice(["SAME", "VALID"]), self.rng.choice([1, 1, 2])
        size = [self.rng.randint(1, min(3, x.shape[axis])) for axis in (1, 2)]
        kind = self.rng.choice(["conv", "depthwise", "max", "avg"])
        if kind in ("max", "avg"):
            f = tf.nn.max_pool2d if kind == "max" else tf.nn.avg_pool2d
            return self.add(f(x.tensor, size, strides, padding), x.exact and kind == "max", x.largest)
        filters = np.random.default_rng(self.rng.randrange(1 << 30)).integers(-8, 9, [*size, channels, 2]) / 8
        filters = tf.constant(filters.astype(np.float32))
        if kind == "conv":
            y = tf.nn.conv2d(x.tensor, filters, strides, padding)
        else:
            y = tf.nn.depthwise_conv2d(x.tensor, filters, [1, strides, strides, 1], padding)
        return self.add(y, False, x.largest * size[0] * size[1] * channels)

    # Control flow.

    def nested(self, values, n_ops):
        """The last of a few ops on these values alone, of the type and shape of the first."""
        outer, self.values = self.values, list(values)
        self.depth += 1
        try:
            for _ in range(n_ops):
                self.step()
            first = values[0]
            found = [value for value in self.values if value.dtype == first.dtype and value.shape == first.shape]
            return found[-1]
        finally:
            self.values = outer
            self.depth -= 1

    def branch(self):
        """A conditional."""
        if self.depth > 1:
            raise Skip
        x = self.number(lambda value: value.known())
        y = self.pick()
        condition = self.exact()
        made = []

        def side():
            made.append(self.nested([x, y], self.rng.randint(1, 4)))
            return tf.identity(made[-1].tensor)

        predicate = tf.greater(tf.reduce_sum(tf.cast(condition.tensor, tf.int64)), self.rng.randint(-4, 4))
        tensor = v1.cond(predicate, side, side)
        self.add(tensor, all(value.exact for value in made), max(value.largest for value in made))

    def loop(self):
        """A loop, or a map over the first dimension."""
        if self.depth > 1:
            raise Skip
        x = self.float(lambda value: value.known())
        n = self.rng.randint(0, 5)
        if x.rank and x.shape[0] and self.rng.random() < 0.4:
            def row(tensor):
                return self.nested([Value(tensor, False, x.largest)], 2).tensor

            return self.add(tf.map_fn(row, x.tensor), False, LARGEST)

        def body(i, tensor):
            inside = self.nested([Value(tensor, False, LARGEST), Value(tf.cast(i, tf.int32), True, 8)], self.rng.randint(1, 3))
            result = tf.tanh(inside.tensor)
            result.set_shape(x.shape)
            return i + 1, result

        _, tensor = tf.while_loop(lambda i, _: i < n, body, [tf.constant(0), tf.identity(x.tensor)])
        return self.add(tensor, False, max(1.0, x.largest))

    def call(self):
        """A function."""
        if self.depth > 1:
            raise Skip
        x = self.number(lambda value: value.known())
        y = self.pick()
        made = []

        @tf.function(autograph=False)
        def function(a, b):
            made.append(self.nested([Value(a, x.exact, x.largest), Value(b, y.exact, y.largest)], self.rng.randint(1, 4)))
            return tf.identity(made[-1].tensor)

        tensor = function(x.tensor, y.tensor)
        self.add(tensor, made[-1].exact, made[-1].largest)

    def step(self):
        """One op, of a kind that fits."""
        kinds = [
            self.unary, self.unary, self.unary_exact, self.rounding, self.binary, self.binary, self.binary, self.compare, self.logical,
            self.select, self.cast, self.reduce, self.reduce, self.reshape, self.slice, self.join, self.enlarge, self.gather, self.index,
            self.dense, self.normalize, self.image, self.branch, self.loop, self.call,
        ]
        for _ in range(20):
            try:
                return self.rng.choice(kinds)()
            except (Skip, ValueError, tf.errors.InvalidArgumentError):
                # It fits none of the values: TensorFlow says so when the node is made.
                continue
        return None


def build(seed, directory):
    """Builds the graph of a seed, runs it and saves it; returns the names of its ops, the feeds, the outputs or the error."""
    rng = random.Random(seed)
    (v1.enable_control_flow_v2 if rng.random() < 0.5 else v1.disable_control_flow_v2)()
    try:
        return build_and_run(rng, Graph(seed), directory)
    finally:
        v1.enable_control_flow_v2()


def build_and_run(rng, made, directory):
    """As `build`, in the control flow of either generation."""
    config = v1.ConfigProto(intra_op_parallelism_threads=1)
    # Fused, a product without terms loses its bias.
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    with tf.Graph().as_default() as graph, v1.Session(config=config) as session:
        for _ in range(rng.randint(1, 4)):
            made.input()
        for _ in range(rng.randint(3, 30)):
            made.step()
        last = made.values[-min(6, len(made.values)):]
        outputs = {f"out{idx}": tf.identity(value.tensor) for idx, value in enumerate(last)}
        inputs = {name: graph.get_tensor_by_name(f"{name}:0") for name in made.feeds}
        graph_def = graph.as_graph_def()
        ops = {node.op for node in graph_def.node} | {node.op for f in graph_def.library.function for node in f.node_def}
        v1.saved_model.simple_save(session, str(directory), inputs, outputs)
        try:
            return ops, made.feeds, session.run(outputs, {inputs[name]: value for name, value in made.feeds.items()}), None
        except tf.errors.OpError as error:
            return ops, made.feeds, None, error


def optimized(directory, feeds):
    """What a session gives whose graph is optimized: outputs, or the error.

    Unlike the others it computes no argument that a function does not read, and so sees no error in it.
    """
    with tf.Graph().as_default(), v1.Session() as session:
        signature = v1.saved_model.load(session, ["serve"], str(directory)).signature_def["serving_default"]
        names = {key: info.name for key, info in signature.outputs.items()}
        try:
            return session.run(names, {signature.inputs[key].name: value for key, value in feeds.items()}), None
        except tf.errors.OpError as error:
            return None, error


def compare(seed, directory, supported):
    """None when both sides agree, else what differs; raises Skip when an op is not supported."""
    ops, feeds, outputs, error = build(seed, directory)
    functions = {name for name in ops if name.startswith("__") or name not in tf.raw_ops.__dict__ and name not in ("Placeholder",)}
    missing = sorted(ops - supported - functions)
    if missing:
        raise Skip(", ".join(missing))
    folder = directory / "inputs"
    folder.mkdir()
    for name, value in feeds.items():
        np.save(folder / f"{name}.npy", value)
    given = ";".join(f"{name}={folder / name}.npy" for name in feeds)
    status, _, err = drivers.flowkeep("run", "--dir", directory, "--tag_set", "serve", "--signature_def", "serving_default",
                                      "--inputs", given, "--outdir", directory / "out")
    if error is not None and "does not match declared output type" in error.message:
        # Seed 101888: TensorFlow takes the results of a function in another order than it declared them.
        raise Skip("a function's results, which TensorFlow mistakes")
    if error is not None and not status:
        outputs, error = optimized(directory, feeds)
    if error is not None:
        return None if status == 10 + error.error_code else f"status {status} instead of an error {error.error_code}: {error.message[:200]}"
    if status:
        return f"status {status}: {err[:400]}"
    for name, want in outputs.items():
        got, want = drivers.read_output(directory / "out", name), np.asarray(want)
        if got.shape != want.shape or got.dtype != want.dtype:
            return f"{name}: {got.dtype} {got.shape} instead of {want.dtype} {want.shape}"
        if want.dtype.kind != "f":
            if not np.array_equal(got, want):
                return f"{name}: {got.ravel()[:4]} instead of {want.ravel()[:4]}"
            continue
        if not want.size:
            continue
        same = np.isnan(got) & np.isnan(want) | (got == want)
        wrong = np.where(same, 0, np.abs(got - want))
        scale = max(1.0, float(np.max(np.abs(want[np.isfinite(want)]), initial=1.0)))
        if not float(np.max(wrong)) / scale <= BOUNDS[str(want.dtype)]:
            return f"{name}: off by {float(np.max(wrong)) / scale:.3g} ({want.dtype})"
    return None


@contextlib.contextmanager
def scratch():
    """A folder for a while."""
    with tempfile.TemporaryDirectory() as folder:
        yield pathlib.Path(folder)


def supported_ops():
    """The ops that the binary runs."""
    status, out, err = drivers.flowkeep("ops", "--format", "json")
    if status:
        raise SystemExit(err)
    return {op["op"] for op in json.loads(out)}


def run(seeds, until=None):
    """Compares the graphs of seeds; returns (how many were compared, {seed: what differs}, {missing ops: how often})."""
    supported = supported_ops()
    n_compared, failures, skipped = 0, {}, {}
    for seed in seeds:
        if until is not None and time.monotonic() > until:
            break
        with scratch() as directory:
            try:
                failure = compare(seed, directory / "model", supported)
            except Skip as skip:
                skipped[str(skip)] = skipped.get(str(skip), 0) + 1
                continue
            n_compared += 1
            if failure:
                failures[seed] = failure
                print(f"seed {seed}: {failure}", flush=True)
    return n_compared, failures, skipped


def main():
    """Parses the command line and compares until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flowkeep", required=True, type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    arguments = parser.parse_args()
    os.environ["FLOWKEEP"] = str(arguments.flowkeep.resolve())
    seeds = iter(range(arguments.first, 1 << 40))
    n_compared, failures, skipped = run(seeds, time.monotonic() + arguments.seconds)
    print(f"{n_compared} graphs compared, {len(failures)} differ: {sorted(failures)}; {sum(skipped.values())} left out for missing ops")
    for missing, n in sorted(skipped.items(), key=lambda item: -item[1])[:12]:
        print(f"  {n} x {missing}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
