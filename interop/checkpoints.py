"""What the tests of checkpoints share: a folder to work in, tensors of every kind, and their bare bytes on disk."""
import json
import pathlib
import tempfile
import unittest

import drivers  # noqa: F401  (first of all, sets up TensorFlow)
import ml_dtypes
import numpy as np
import tensorflow as tf
from drivers import flowkeep

LOW_BITS = {"int4": 0x0F, "uint4": 0x0F, "int2": 0x03, "uint2": 0x03, "float4_e2m1fn": 0x0F}
V1_TYPES = {
    "float32", "float64", "int32", "int16", "int8", "uint16", "uint8", "int64", "bool", "float16", "complex64",
    "complex128", "qint8", "quint8", "qint32", "string",
}
SHAPES = [(), (1,), (0,), (7,), (2, 3), (3, 0, 2), (4, 1, 5)]


class Checkpoints(unittest.TestCase):
    """A folder to work in, and a command that must succeed."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def ckpt(self, *arguments, status=0):
        """Runs flowkeep ckpt; returns what it printed, parsed if it is JSON."""
        got, out, err = flowkeep("ckpt", *arguments, cwd=self.dir)
        self.assertEqual(got, status, (arguments, out, err))
        return json.loads(out) if "json" in arguments else out

    def contents(self, path):
        """{name: content} of any checkpoint, by way of bare bytes."""
        raw = self.dir / f"raw-{len(list(self.dir.iterdir()))}"
        self.ckpt("convert", "--to", "raw", path, raw)
        return read_raw(raw)

    def assert_same(self, got, want):
        """Compares {name: content}, naming what differs."""
        self.assertEqual(sorted(got), sorted(want))
        for name in want:
            with self.subTest(name):
                self.assertEqual(got[name], want[name])


def every_tensor():
    """{name: tf.Tensor}: every type that TensorFlow's ops store, in several shapes."""
    rng = np.random.default_rng(7)
    tensors = {}
    plain = [
        "float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool",
        "complex64", "complex128",
    ]
    for name in plain:
        dtype = np.dtype(name)
        for shape in SHAPES:
            n = int(np.prod(shape))
            if dtype.kind == "c":
                value = rng.standard_normal(n) + 1j * rng.standard_normal(n)
            elif dtype.kind == "f":
                value = np.concatenate([[np.nan, -0.0, np.inf], rng.standard_normal(n)])[:n]
            elif dtype.kind == "b":
                value = rng.integers(0, 2, n)
            else:
                info = np.iinfo(dtype)
                value = rng.integers(info.min, info.max, n, dtype=dtype, endpoint=True)
            tensors[f"{name}/{'x'.join(map(str, shape)) or 'scalar'}"] = tf.constant(np.asarray(value).astype(dtype).reshape(shape))
    for name in ["bfloat16", "float8_e5m2", "float8_e4m3fn", "int4", "uint4"]:
        value = np.asarray([-2.0, 0.0, 1.0, 3.0] if name != "uint4" else [0, 1, 9, 15]).astype(getattr(ml_dtypes, name))
        tensors[f"{name}/4"] = tf.constant(value)
        tensors[f"{name}/2x2"] = tf.constant(value.reshape(2, 2))
    for name, base in [("qint8", tf.int8), ("quint8", tf.uint8), ("qint32", tf.int32)]:
        tensors[f"{name}/3"] = tf.bitcast(tf.constant([1, 2, 100], base), getattr(tf, name))
    texts = {"few": ["", "a", "caf\u00e9", b"\x00\xff"], "none": np.zeros([0, 2], object), "scalar": "text"}
    texts["long"] = [b"x" * 127, b"y" * 128, b"z" * 20000]
    for name, value in texts.items():
        tensors[f"string/{name}"] = tf.constant(value, tf.string)
    return tensors


def content(tensor):
    """Type, shape and elements of a tensor, for comparison bit by bit."""
    array = tensor.numpy() if hasattr(tensor, "numpy") else np.asarray(tensor)
    name = tf.as_dtype(tensor.dtype).name
    if name == "string":
        return name, list(np.shape(array)), [bytes(x) for x in np.asarray(array, object).ravel()]
    data = np.ascontiguousarray(array).tobytes()
    if name in LOW_BITS:
        data = bytes(byte & LOW_BITS[name] for byte in data)
    return name, list(np.shape(array)), data


def save(prefix, tensors, version=2):
    """Writes {name: tensor} with TensorFlow's own ops."""
    names = sorted(tensors)
    values = [tensors[name] for name in names]
    if version == 1:
        tf.raw_ops.Save(filename=str(prefix), tensor_names=names, data=values)
    else:
        tf.raw_ops.SaveV2(prefix=str(prefix), tensor_names=names, shape_and_slices=[""] * len(names), tensors=values)


def restore(prefix, name, dtype, spec=""):
    """One tensor, or a slice of it, as RestoreV2 gives it."""
    return tf.raw_ops.RestoreV2(prefix=str(prefix), tensor_names=[name], shape_and_slices=[spec], dtypes=[dtype])[0]


def restore_by_saver(prefix, variables, partitioner=None):
    """{name: array} as a Saver restores it into variables {name: (type, shape)}, of which those of rank 2 are partitioned."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        made = {}
        for name, (dtype, shape) in variables.items():
            partitioner_or_none = partitioner if len(shape) == 2 else None
            made[name] = v1.get_variable(
                name, shape, dtype, v1.zeros_initializer(), partitioner=partitioner_or_none, use_resource=False
            )
        v1.train.Saver().restore(session, str(prefix))
        return {name: session.run(tf.convert_to_tensor(variable)) for name, variable in made.items()}


def read_raw(folder):
    """{name: content} of a folder of bare bytes."""
    folder = pathlib.Path(folder)
    found = {}
    for entry in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["tensors"]:
        data = (folder / entry["file"]).read_bytes()
        if entry["dtype"] == "string":
            n = int(np.prod(entry["shape"]))
            lens = np.frombuffer(data[: 8 * n], "<u8")
            ends = 8 * n + np.cumsum(lens, dtype=np.int64)
            data = [data[end - size : end] for end, size in zip(ends, lens.astype(np.int64))]
        found[entry["name"]] = (entry["dtype"], entry["shape"], data)
    return found


def write_raw(folder, contents):
    """Writes {name: content} as a folder of bare bytes."""
    folder = pathlib.Path(folder)
    folder.mkdir()
    entries = []
    for idx, (name, (dtype, shape, data)) in enumerate(contents.items()):
        if dtype == "string":
            data = np.asarray([len(x) for x in data], "<u8").tobytes() + b"".join(data)
        (folder / f"{idx}.bin").write_bytes(data)
        entries.append({"name": name, "dtype": dtype, "shape": shape, "file": f"{idx}.bin"})
    manifest = {"format": "flowkeep-raw-1", "metadata": {}, "tensors": entries}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
