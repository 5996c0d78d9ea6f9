#!/usr/bin/env python3
"""Whole models, run by TensorFlow and by flowkeep: single Keras layers, architectures, cells, loops, graphs of TensorFlow 1.

    python interop/models.py --flowkeep target/release/flowkeep [--only REGEX] [--table docs/models.md] [--list]

Each model is built with random weights, saved as a SavedModel, loaded anew by TensorFlow, and run by both sides on random
inputs. The error of a model is the largest max|a-b| / max|b| over its outputs.
"""
import argparse
import inspect
import os
import pathlib
import re
import sys
import tempfile
import time

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import drivers
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
keras = tf.keras
layers = keras.layers
LARGEST_ERROR = 1e-4

# {name: function from a folder to the inputs, by key or in order}; the function saves the model there.
MODELS = {}


def numbers(*shape, seed=0, dtype=np.float32):
    """Random numbers, normally distributed, or small integers."""
    rng = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.integer):
        return rng.integers(0, 8, shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


def keras_model(name, make, *shapes, dtype=np.float32, batch=2):
    """A model that Keras exports; `make` gives it, or a layer for inputs of these shapes."""
    def save(folder):
        keras.backend.clear_session()
        keras.utils.set_random_seed(7)
        model = make()
        if not isinstance(model, keras.Model):
            inputs = [keras.Input(shape, dtype=np.dtype(dtype).name, name=f"in{idx}") for idx, shape in enumerate(shapes)]
            outputs = model(inputs[0] if len(inputs) == 1 else inputs)
            model = keras.Model(inputs, outputs)
        # No normalization is the identity, and no bias is zero.
        for idx, weight in enumerate(model.weights):
            value, path = np.asarray(weight), (weight.path if drivers.KERAS_3 else weight.name).rsplit("/", 1)[-1]
            if value.dtype.kind == "f" and value.ndim < 2 and value.size:
                noise = np.random.default_rng(idx).uniform(0.5, 1.5, value.shape)
                weight.assign((noise if "var" in path or "gamma" in path else noise - 1).astype(value.dtype))
        drivers.keras_export(model, folder)
        return [numbers(batch, *shape, seed=idx, dtype=dtype) for idx, shape in enumerate(shapes)]

    MODELS[name] = save


def function(name, make, *inputs):
    """A tf.Module whose `__call__` is the function that `make` gives."""
    def save(folder):
        module = tf.Module()
        python = make(module)
        module.f = tf.function(python, input_signature=[tf.TensorSpec([None, *x.shape[1:]] if x.ndim else [], x.dtype) for x in inputs])
        tf.saved_model.save(module, str(folder), signatures=module.f)
        return dict(zip(inspect.signature(python).parameters, inputs))

    MODELS[name] = save


def session(name, make, *inputs):
    """A graph of TensorFlow 1; `make` gives the outputs for placeholders."""
    def save(folder):
        v1.disable_control_flow_v2()
        with tf.Graph().as_default(), v1.Session() as running:
            v1.set_random_seed(7)
            places = [v1.placeholder(x.dtype, [None, *x.shape[1:]] if x.ndim else [], name=f"in{idx}") for idx, x in enumerate(inputs)]
            outputs = make(*places)
            outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
            running.run(v1.global_variables_initializer())
            given = {f"in{idx}": place for idx, place in enumerate(places)}
            v1.saved_model.simple_save(running, str(folder), given, {f"out{idx}": output for idx, output in enumerate(outputs)})
        v1.enable_control_flow_v2()
        return {f"in{idx}": value for idx, value in enumerate(inputs)}

    MODELS[name] = save


# Layers alone.

IMAGE, SEQUENCE, FLAT, VOLUME = (9, 8, 3), (7, 5), (6,), (5, 6, 4, 2)

for units, activation in [(4, None), (3, "relu"), (5, "softmax"), (4, "gelu"), (4, "swish"), (4, "selu"), (4, "mish")]:
    keras_model(f"layer Dense {activation}", lambda u=units, a=activation: layers.Dense(u, activation=a), FLAT)
keras_model("layer Dense of sequences", lambda: layers.Dense(3), SEQUENCE)
for name in ["elu", "exponential", "hard_sigmoid", "hard_silu", "leaky_relu", "log_softmax", "relu6", "sigmoid", "silu", "softplus", "softsign",
             "tanh", "hard_tanh", "celu", "glu", "squareplus", "soft_shrink", "tanh_shrink", "sparse_plus", "log_sigmoid"]:
    keras_model(f"activation {name}", lambda n=name: layers.Activation(n), FLAT)
for name, make in [("LeakyReLU", lambda: layers.LeakyReLU(0.2)), ("PReLU", layers.PReLU), ("ReLU", lambda: layers.ReLU(2.0, 0.1, 0.5)),
                   ("ELU", layers.ELU), ("Softmax", layers.Softmax)]:
    keras_model(f"layer {name}", make, FLAT)
for padding in ["same", "valid"]:
    for strides, dilation, groups in [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 3)]:
        keras_model(f"layer Conv2D {padding} strides {strides} dilation {dilation} groups {groups}",
                    lambda p=padding, s=strides, d=dilation, g=groups: layers.Conv2D(6, 3, s, p, dilation_rate=d, groups=g), IMAGE)
    keras_model(f"layer Conv1D {padding}", lambda p=padding: layers.Conv1D(4, 3, padding=p), SEQUENCE)
    keras_model(f"layer Conv3D {padding}", lambda p=padding: layers.Conv3D(3, 2, padding=p), VOLUME)
    keras_model(f"layer DepthwiseConv2D {padding}", lambda p=padding: layers.DepthwiseConv2D(3, 2, p, depth_multiplier=2), IMAGE)
    keras_model(f"layer SeparableConv2D {padding}", lambda p=padding: layers.SeparableConv2D(4, 3, padding=p), IMAGE)
    keras_model(f"layer Conv2DTranspose {padding}", lambda p=padding: layers.Conv2DTranspose(4, 3, 2, p), IMAGE)
    keras_model(f"layer MaxPooling2D {padding}", lambda p=padding: layers.MaxPooling2D(3, 2, p), IMAGE)
    keras_model(f"layer AveragePooling2D {padding}", lambda p=padding: layers.AveragePooling2D(3, 2, p), IMAGE)
    keras_model(f"layer MaxPooling1D {padding}", lambda p=padding: layers.MaxPooling1D(3, 2, p), SEQUENCE)
    keras_model(f"layer AveragePooling1D {padding}", lambda p=padding: layers.AveragePooling1D(2, 2, p), SEQUENCE)
    keras_model(f"layer MaxPooling3D {padding}", lambda p=padding: layers.MaxPooling3D(2, 2, p), VOLUME)
    keras_model(f"layer AveragePooling3D {padding}", lambda p=padding: layers.AveragePooling3D(2, 2, p), VOLUME)
keras_model("layer Conv1D causal", lambda: layers.Conv1D(4, 3, padding="causal", dilation_rate=2), SEQUENCE)
keras_model("layer Conv1DTranspose", lambda: layers.Conv1DTranspose(4, 3, 2), SEQUENCE)
keras_model("layer SeparableConv1D", lambda: layers.SeparableConv1D(4, 3), SEQUENCE)
for name in ["GlobalMaxPooling", "GlobalAveragePooling"]:
    for n, shape in [(1, SEQUENCE), (2, IMAGE), (3, VOLUME)]:
        keras_model(f"layer {name}{n}D", lambda c=f"{name}{n}D": getattr(layers, c)(), shape)
for name, make, shape in [
    ("BatchNormalization", layers.BatchNormalization, IMAGE), ("BatchNormalization flat", layers.BatchNormalization, FLAT),
    ("LayerNormalization", layers.LayerNormalization, SEQUENCE), ("LayerNormalization axes", lambda: layers.LayerNormalization(axis=[1, 2, 3]), IMAGE),
    ("GroupNormalization", lambda: layers.GroupNormalization(3), (6, 6, 6)), ("UnitNormalization", layers.UnitNormalization, SEQUENCE),
    ("SpectralNormalization", lambda: layers.SpectralNormalization(layers.Dense(4)), FLAT), ("RMSNormalization", lambda: layers.RMSNormalization(), SEQUENCE),
    ("Dropout", lambda: layers.Dropout(0.5), FLAT), ("SpatialDropout2D", lambda: layers.SpatialDropout2D(0.5), IMAGE),
    ("GaussianNoise", lambda: layers.GaussianNoise(0.5), FLAT), ("ActivityRegularization", lambda: layers.ActivityRegularization(0.1), FLAT),
    ("Flatten", layers.Flatten, IMAGE), ("Reshape", lambda: layers.Reshape((-1, 6)), (4, 3)), ("Permute", lambda: layers.Permute((2, 1)), SEQUENCE),
    ("RepeatVector", lambda: layers.RepeatVector(3), FLAT), ("ZeroPadding1D", lambda: layers.ZeroPadding1D(2), SEQUENCE),
    ("ZeroPadding2D", lambda: layers.ZeroPadding2D(((1, 2), (0, 3))), IMAGE), ("ZeroPadding3D", lambda: layers.ZeroPadding3D(1), VOLUME),
    ("Cropping1D", lambda: layers.Cropping1D(2), SEQUENCE), ("Cropping2D", lambda: layers.Cropping2D(((1, 2), (0, 3))), IMAGE),
    ("Cropping3D", lambda: layers.Cropping3D(1), VOLUME), ("UpSampling1D", lambda: layers.UpSampling1D(2), SEQUENCE),
    ("UpSampling2D nearest", lambda: layers.UpSampling2D((2, 3)), IMAGE), ("UpSampling3D", lambda: layers.UpSampling3D(2), VOLUME),
    ("UpSampling2D bilinear", lambda: layers.UpSampling2D(2, interpolation="bilinear"), IMAGE),
    ("UpSampling2D bicubic", lambda: layers.UpSampling2D(2, interpolation="bicubic"), IMAGE),
    ("Resizing bilinear", lambda: layers.Resizing(5, 11), IMAGE), ("Resizing nearest", lambda: layers.Resizing(5, 11, "nearest"), IMAGE),
    ("Resizing area", lambda: layers.Resizing(5, 11, "area"), IMAGE),
    ("CenterCrop", lambda: layers.CenterCrop(5, 4), IMAGE), ("Rescaling", lambda: layers.Rescaling(1 / 255, -0.5), IMAGE),
    ("Normalization", lambda: layers.Normalization(mean=[1.0] * 6, variance=[2.0] * 6), FLAT), ("EinsumDense", lambda: layers.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d"), SEQUENCE),
    ("TimeDistributed", lambda: layers.TimeDistributed(layers.Dense(3)), SEQUENCE), ("Masking", lambda: layers.Masking(), SEQUENCE),
]:
    keras_model(f"layer {name}", make, shape)
keras_model("layer Embedding", lambda: layers.Embedding(8, 4), (5,), dtype=np.int32)
keras_model("layer Embedding masked and summed", lambda: keras.Sequential([keras.Input((5,), dtype="int32"), layers.Embedding(8, 4, mask_zero=True), layers.LSTM(3)]), (5,), dtype=np.int32)
for name in ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"]:
    keras_model(f"layer {name}", lambda n=name: getattr(layers, n)(), FLAT, FLAT)
keras_model("layer Dot", lambda: layers.Dot(-1, normalize=True), FLAT, FLAT)
for name, make in [
    ("SimpleRNN", lambda: layers.SimpleRNN(4)), ("LSTM", lambda: layers.LSTM(4)), ("GRU", lambda: layers.GRU(4)),
    ("LSTM sequences", lambda: layers.LSTM(4, return_sequences=True)), ("GRU sequences", lambda: layers.GRU(4, return_sequences=True)),
    ("LSTM backwards", lambda: layers.LSTM(4, go_backwards=True)), ("GRU reset before", lambda: layers.GRU(4, reset_after=False)),
    ("LSTM unrolled", lambda: layers.LSTM(4, unroll=True)), ("Bidirectional LSTM", lambda: layers.Bidirectional(layers.LSTM(3))),
    ("Bidirectional GRU sequences", lambda: layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode="sum")),
    ("RNN of LSTMCell", lambda: layers.RNN(layers.LSTMCell(4))), ("RNN of stacked cells", lambda: layers.RNN([layers.GRUCell(4), layers.LSTMCell(3)])),
]:
    keras_model(f"layer {name}", make, SEQUENCE)
keras_model("layer ConvLSTM1D", lambda: layers.ConvLSTM1D(3, 2), (4, 6, 2))
keras_model("layer ConvLSTM2D", lambda: layers.ConvLSTM2D(3, 2), (4, 6, 5, 2))


def attention(causal=False):
    """Attention of a sequence to itself."""
    inputs = keras.Input(SEQUENCE)
    return keras.Model(inputs, layers.MultiHeadAttention(2, 3)(inputs, inputs, use_causal_mask=causal))


keras_model("layer MultiHeadAttention", attention, SEQUENCE)
keras_model("layer MultiHeadAttention causal", lambda: attention(True), SEQUENCE)
keras_model("layer GroupQueryAttention", lambda: keras.Model(x := keras.Input(SEQUENCE), layers.GroupQueryAttention(3, 4, 2)(x, x)), SEQUENCE)
keras_model("layer Attention", lambda: layers.Attention(use_scale=True), SEQUENCE, SEQUENCE)
keras_model("layer AdditiveAttention", layers.AdditiveAttention, SEQUENCE, SEQUENCE)


# Small networks.

def transformer():
    """A block of a transformer over tokens."""
    tokens = keras.Input((9,), dtype="int32")
    x = layers.Embedding(8, 12)(tokens)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(3, 4)(x, x))
    x = layers.LayerNormalization()(x + layers.Dense(12)(layers.Dense(24, "gelu")(x)))
    return keras.Model(tokens, layers.Dense(5, "softmax")(layers.GlobalAveragePooling1D()(x)))


def residual():
    """A small residual network."""
    inputs = x = keras.Input((16, 16, 3))
    for filters in [8, 16]:
        y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(filters, 3, 2, "same")(x)))
        y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(y))
        x = layers.ReLU()(y + layers.Conv2D(filters, 1, 2)(x))
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def unet():
    """Down and up again."""
    inputs = keras.Input((16, 16, 1))
    down = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    low = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D()(down))
    up = layers.Concatenate()([layers.UpSampling2D()(low), down])
    return keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(up))


def wide_and_deep():
    """Two inputs of one table."""
    wide, deep = keras.Input(FLAT), keras.Input(FLAT)
    return keras.Model([wide, deep], layers.Dense(1, "sigmoid")(layers.Concatenate()([wide, layers.Dense(8, "relu")(deep)])))


keras_model("network of a transformer block", transformer, (9,), dtype=np.int32)
keras_model("network with residuals", residual, (16, 16, 3))
keras_model("network down and up", unet, (16, 16, 1))
keras_model("network wide and deep", wide_and_deep, FLAT, FLAT)
keras_model("network of text convolutions", lambda: keras.Sequential([keras.Input((12,), dtype="int32"), layers.Embedding(8, 6), layers.Conv1D(8, 3, activation="relu"),
            layers.GlobalMaxPooling1D(), layers.Dense(2)]), (12,), dtype=np.int32)
keras_model("network autoencoder", lambda: keras.Sequential([keras.Input((12, 12, 1)), layers.Conv2D(4, 3, 2, "same", activation="relu"), layers.Conv2D(2, 3, 2, "same"),
            layers.Conv2DTranspose(4, 3, 2, "same", activation="relu"), layers.Conv2DTranspose(1, 3, 2, "same", activation="sigmoid")]), (12, 12, 1))
keras_model("network of stacked LSTMs", lambda: keras.Sequential([keras.Input(SEQUENCE), layers.LSTM(6, return_sequences=True), layers.LSTM(4), layers.Dense(1)]), SEQUENCE)

# Architectures, small pictures. EfficientNetV2S is not among them: with such weights TensorFlow differs from itself by 0.7 of the
# largest output when oneDNN is on or off, and by 0.55 when the pictures change by 1e-7.

for name, size in [
    ("MobileNet", 64), ("MobileNetV2", 64), ("MobileNetV3Small", 64), ("MobileNetV3Large", 64), ("ResNet50", 64), ("ResNet50V2", 64),
    ("ResNet101", 64), ("InceptionV3", 96), ("InceptionResNetV2", 96), ("Xception", 80), ("DenseNet121", 64), ("DenseNet169", 64), ("EfficientNetB0", 64),
    ("EfficientNetB1", 64), ("EfficientNetV2B0", 64), ("NASNetMobile", 64), ("ConvNeXtTiny", 64), ("VGG16", 48), ("VGG19", 48),
]:
    def application(name=name, size=size):
        """One of keras.applications, pooled, without its classes."""
        return getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(size, size, 3), pooling="avg")

    keras_model(f"application {name}", application, (size, size, 3), batch=1)


# Functions, loops and control flow of TensorFlow 2.

X, ROWS = numbers(4, 3), numbers(5, 4, seed=3)


def collatz(_):
    """A loop whose length depends on values, with a conditional inside."""
    def f(n):
        steps = tf.zeros([], tf.int32)
        while n > 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
        return {"steps": steps, "last": n}
    return f


def cases(module):
    """switch_case of three branches."""
    module.w = tf.Variable(numbers(3, 3))
    def f(which, x):
        return {"y": tf.switch_case(which, [lambda: x @ module.w, lambda: tf.tanh(x), lambda: x * 0.0])}
    return f


def rows(_):
    """A map, a fold and a scan."""
    def f(x):
        return {"map": tf.map_fn(lambda row: tf.nn.softmax(row) * row, x), "fold": tf.foldl(lambda a, row: a * 0.5 + row, x),
                "scan": tf.scan(lambda a, row: tf.tanh(a + row), x)}
    return f


def arrays(_):
    """A TensorArray that is written and read in a loop."""
    def f(x):
        array = tf.TensorArray(tf.float32, size=5, clear_after_read=False)
        for i in tf.range(5):
            array = array.write(i, x[0] * tf.cast(i, tf.float32))
        total = tf.zeros_like(x[0])
        for i in tf.range(0, 5, 2):
            total += array.read(i)
        return {"stacked": array.stack(), "total": total}
    return f


def nested(_):
    """A loop in a loop, left early."""
    def f(x):
        total = tf.zeros_like(x)
        for i in tf.range(6):
            for j in tf.range(i):
                if i + j > 7:
                    break
                total += x * tf.cast(j, tf.float32)
            if tf.reduce_sum(total) > 1e6:
                break
        return {"total": total}
    return f


def gradient(module):
    """What a loss changes with its weights, through a loop."""
    module.w = tf.Variable(numbers(3, 3) * 0.3)
    def f(x):
        with tf.GradientTape() as tape:
            y = x
            for _ in tf.range(3):
                y = tf.tanh(y @ module.w)
            loss = tf.reduce_sum(y * y)
        return {"loss": loss, "gradient": tape.gradient(loss, module.w)}
    return f


def counted(module):
    """A variable that calls change."""
    module.n = tf.Variable(0.0)
    def f(x):
        module.n.assign_add(tf.reduce_sum(x))
        return {"n": module.n + 0.0, "twice": module.n * 2.0}
    return f


function("function with a loop by values", collatz, np.int32(27))
function("function with cases", cases, np.int32(1), X)
function("function with cases, out of range", cases, np.int32(9), X)
function("function with map, fold and scan", rows, ROWS)
function("function with a TensorArray", arrays, X)
function("function with nested loops", nested, X)
function("function with a gradient through a loop", gradient, X)
function("function that changes a variable", counted, X)
function("function with einsum", lambda _: lambda x: {"y": tf.einsum("ij,kj->ik", x, x), "t": tf.einsum("ii->i", tf.matmul(x, x, transpose_b=True))}, X)
function("function with sorting", lambda _: lambda x: {"sorted": tf.sort(x, -1), "order": tf.argsort(x, -1, stable=True), "top": tf.math.top_k(x, 2).values}, X)
function("function with running sums", lambda _: lambda x: {"sums": tf.cumsum(x, 0, reverse=True), "products": tf.math.cumprod(x, 1, exclusive=True), "one_hot": tf.one_hot(tf.cast(x[0], tf.int32), 3)}, X)
function("function with linear algebra by hand", lambda _: lambda x: {"band": tf.linalg.band_part(x, 1, 0), "diag": tf.linalg.diag(x), "part": tf.linalg.diag_part(x)}, X)
function("function with slices", lambda _: lambda x: {"a": x[1:, ::-1], "b": x[..., tf.newaxis, 0], "c": tf.gather_nd(x, [[0, 1], [2, 2]])}, X)


# Graphs of TensorFlow 1.

def variable(name, *shape, use_resource=False):
    """A variable with random values."""
    seed = sum(name.encode())
    return v1.get_variable(name, initializer=numbers(*shape, seed=seed) * np.float32(0.4), use_resource=use_resource)


def dense(x, name, units, use_resource=False):
    """A layer by hand."""
    with v1.variable_scope(name):
        return x @ variable("w", int(x.shape[-1]), units, use_resource=use_resource) + variable("b", units, use_resource=use_resource)


def lstm_loop(x):
    """An LSTM by tf.while_loop over a TensorArray."""
    n, steps = v1.shape(x)[0], int(x.shape[1])
    inputs = tf.TensorArray(tf.float32, steps).unstack(tf.transpose(x, [1, 0, 2]))
    outputs = tf.TensorArray(tf.float32, steps)
    zeros = tf.zeros([n, 4])

    def body(t, h, c, outputs):
        gates = dense(tf.ensure_shape(tf.concat([inputs.read(t), h], 1), [None, 7]), "gates", 16)
        i, j, f, o = tf.split(gates, 4, 1)
        c = c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j)
        h = tf.tanh(c) * tf.sigmoid(o)
        return t + 1, h, c, outputs.write(t, h)

    _, h, c, outputs = tf.while_loop(lambda t, *_: t < steps, body, [0, zeros, zeros, outputs])
    return [h, c, tf.transpose(outputs.stack(), [1, 0, 2])]


def conditional(x):
    """tf.cond, twice nested."""
    s = tf.reduce_sum(x)
    return v1.cond(s > 0, lambda: v1.cond(s > 100, lambda: x, lambda: x * 2.0), lambda: tf.exp(-tf.abs(x)))


def trained(x):
    """A loss and its gradients, by tf.gradients."""
    y = tf.nn.relu(dense(x, "one", 5))
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.argmax(x, 1), logits=dense(y, "two", 3)))
    return [loss, *v1.gradients(loss, v1.trainable_variables())]


def control_dependencies(x):
    """A reference variable that is assigned before it is read."""
    total = v1.get_variable("total", initializer=0.0, use_resource=False)
    with tf.control_dependencies([v1.assign(total, tf.reduce_sum(x))]):
        return tf.identity(total.read_value()) * 2.0


PICTURES, SENTENCES = numbers(2, 12, 12, 3), numbers(2, 6, 3, seed=5)


def convolutional(x):
    """LeNet by hand."""
    x = tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(x, variable("c1", 3, 3, 3, 8), 1, "SAME")), 2, 2, "SAME")
    x = tf.nn.lrn(tf.nn.relu(tf.nn.conv2d(x, variable("c2", 3, 3, 8, 8), 1, "VALID")))
    return tf.nn.softmax(dense(tf.reshape(x, [-1, 4 * 4 * 8]), "out", 10))


session("graph of a perceptron", lambda x: tf.nn.softmax(dense(tf.nn.relu(dense(x, "one", 7)), "two", 4)), X)
session("graph of a perceptron, resources", lambda x: tf.tanh(dense(x, "one", 7, True)), X)
session("graph of LeNet", convolutional, PICTURES)
session("graph of an LSTM", lstm_loop, SENTENCES)
session("graph with conditionals", conditional, X)
session("graph with conditionals, the other side", conditional, -np.abs(X))
session("graph with gradients", trained, X)
session("graph with an assignment", control_dependencies, X)
session("graph with embeddings", lambda ids: tf.nn.embedding_lookup(variable("table", 8, 4), ids), numbers(3, 5, dtype=np.int64))
session("graph with partitioned embeddings", lambda ids: tf.nn.embedding_lookup(v1.get_variable("table", [8, 4], initializer=v1.random_normal_initializer(seed=3), partitioner=v1.fixed_size_partitioner(3)), ids), numbers(3, 5, dtype=np.int64))
session("graph with depth to space", lambda x: tf.nn.depth_to_space(tf.nn.space_to_depth(x, 2), 2)[:, ::2], PICTURES)
session("graph with dilated convolution", lambda x: tf.nn.atrous_conv2d(x, variable("c", 3, 3, 3, 4), 2, "SAME"), PICTURES)
session("graph with resizing", lambda x: [v1.image.resize_bilinear(x, [7, 19]), v1.image.resize_nearest_neighbor(x, [7, 19]), v1.image.resize_bilinear(x, [24, 24], align_corners=True)], PICTURES)
session("graph with sequence masks", lambda x: tf.reverse_sequence(x, [2, 4], 1) * tf.sequence_mask([3, 5], 6, tf.float32)[..., None], SENTENCES)
session("graph with statistics", lambda x: [*tf.nn.moments(x, [0, 1, 2]), tf.nn.l2_loss(x), tf.reduce_max(x, [1, 2])], PICTURES)


def compare(name, folder):
    """The error of a model, or why there is none."""
    inputs = MODELS[name](folder / "model")
    loaded = tf.saved_model.load(str(folder / "model"))
    signature = loaded.signatures["serving_default"]
    # Keras numbers the inputs of a model that names none.
    keys = sorted(signature.structured_input_signature[1], key=lambda key: [int(n) for n in re.findall(r"\d+", key)] or [0])
    given = inputs if isinstance(inputs, dict) else dict(zip(keys, inputs))
    expected = {key: value.numpy() for key, value in signature(**{key: tf.constant(value) for key, value in given.items()}).items()}
    for key, value in given.items():
        np.save(folder / f"{key}.npy", value)
    status, _, err = drivers.flowkeep(
        "run", "--dir", folder / "model", "--tag_set", "serve", "--signature_def", "serving_default",
        "--inputs", ";".join(f"{key}={folder / key}.npy" for key in given), "--outdir", folder / "out")
    if status:
        return None, err.strip().splitlines()[0][:300]
    largest = 0.0
    for key, want in expected.items():
        got = drivers.read_output(folder / "out", key)
        if got.shape != want.shape or got.dtype != want.dtype:
            return None, f"{key} is {got.dtype} {got.shape} instead of {want.dtype} {want.shape}"
        if want.size:
            error = np.max(np.abs(got.astype(np.float64) - want.astype(np.float64)))
            largest = max(largest, float(error / max(np.max(np.abs(want.astype(np.float64))), 1e-30)))
    if not largest <= LARGEST_ERROR:
        return largest, f"error {largest:.3g}"
    return largest, None


def run(names):
    """[(name, error, what is wrong)] of these models."""
    results = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            start = time.monotonic()
            try:
                error, wrong = compare(name, pathlib.Path(folder))
            except Exception as failure:  # noqa: BLE001  (the builder's own, shown)
                error, wrong = None, f"not built: {type(failure).__name__}: {str(failure).splitlines()[0][:200]}"
        results.append((name, error, wrong))
        print(f"{name}: {wrong or f'{error:.2g}'} ({time.monotonic() - start:.1f} s)", flush=True)
    return results


def write_table(results, path):
    """A page with a row for each model."""
    good = [row for row in results if row[2] is None]
    lines = [
        "# Models", "",
        "Whole models that TensorFlow 2.21 built with random weights and saved, run by both sides on random inputs: `interop/models.py`.",
        "The error is the largest max|a-b| / max|b| over the outputs; 0 is bit for bit.", "",
        f"{len(good)} of {len(results)} agree to {LARGEST_ERROR:g}.", "", "| Model | Error |", "|---|---|",
        *(f"| {name} | {wrong or f'{error:.1e}'.replace('0.0e+00', '0')} |" for name, error, wrong in results), "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


def main():
    """Parses the command line and compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flowkeep", type=pathlib.Path)
    parser.add_argument("--only", default="", help="models whose names match")
    parser.add_argument("--table", type=pathlib.Path)
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    names = [name for name in MODELS if re.search(arguments.only, name)]
    if arguments.list:
        print("\n".join(names))
        return 0
    os.environ["FLOWKEEP"] = str(arguments.flowkeep.resolve())
    results = run(names)
    bad = [row for row in results if row[2]]
    print(f"{len(results) - len(bad)} of {len(results)} models agree")
    if arguments.table:
        write_table(results, arguments.table)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
