"""flowkeep ckpt stat and diff beside NumPy, on checkpoints of TensorFlow."""
import fractions
import json

import checkpoints
import drivers
import makers
import ml_dtypes
import numpy as np
import tensorflow as tf
from checkpoints import Checkpoints
from drivers import flowkeep

INTS = [f"{kind}{bits}" for kind in ["int", "uint"] for bits in [8, 16, 32, 64]]
FLOATS = ["float16", "bfloat16", "float32", "float64", "float8_e5m2", "float8_e4m3fn"]


def dtype(name):
    """NumPy's type, or that of ml_dtypes."""
    return np.dtype(getattr(ml_dtypes, name, None) or name)


def plain(array):
    """Numbers to calculate with: Python's integers, float64, or complex128."""
    kind = array.dtype.kind
    if kind in "biu" or array.dtype in (ml_dtypes.int4, ml_dtypes.uint4):
        return array.astype(np.int64 if array.dtype != np.uint64 else np.uint64).astype(object)
    return array.astype(np.complex128 if kind == "c" else np.float64)


def magnitudes(values):
    """What is looked at of complex numbers: their magnitudes, NaN if either part is."""
    if values.dtype != np.complex128:
        return values
    return np.where(np.isnan(values), np.nan, np.abs(values))


def moments(values):
    """Mean, mean magnitude, standard deviation and norm: exact for integers, with 64 bits of mantissa for floats."""
    if values.dtype == object:
        n, total, squares = len(values), sum(values.tolist()), sum(value**2 for value in values.tolist())
        variance = fractions.Fraction(n * squares - total**2, n**2)
        return total / n, sum(map(abs, values.tolist())) / n, float(variance) ** 0.5, float(squares) ** 0.5
    values = values.astype(np.longdouble)
    return [float(x) for x in [values.mean(), np.abs(values).mean(), values.std(), np.sqrt((values**2).sum())]]


class Statistics(Checkpoints):
    """`stat`."""

    def assert_stat(self, row, array):
        """Compares a row of the JSON form with what NumPy finds."""
        self.assertEqual(row["shape"], list(array.shape))
        if row["dtype"] == "string":
            lens = [len(text) for text in np.asarray(array, object).ravel()]
            want = [len(lens), lens.count(0), sum(lens), min(lens, default=None), max(lens, default=None)]
            self.assertEqual([row[key] for key in ["elements", "empty", "bytes", "min_len", "max_len"]], want)
            return
        values = magnitudes(plain(array)).ravel()
        floats = values.astype(np.float64)
        is_finite = np.isfinite(floats)
        finite = values[is_finite]
        counts = {
            "elements": values.size, "finite": is_finite.sum(), "nan": np.isnan(floats).sum(), "zeros": (floats == 0).sum(),
            "pos_inf": np.isposinf(floats).sum(), "neg_inf": np.isneginf(floats).sum(), "negative": (floats < 0).sum(),
        }
        self.assertEqual({key: row[key] for key in counts}, counts)
        if not finite.size:
            self.assertEqual([row[key] for key in ["min", "max", "mean", "std"]], [None] * 4)
            return
        if array.dtype.kind == "c":
            np.testing.assert_allclose([row["min"], row["max"]], [finite.min(), finite.max()], rtol=1e-15)
        else:
            self.assertEqual([row["min"], row["max"]], [finite.min(), finite.max()])
        mean, scale, std, norm = moments(finite)
        np.testing.assert_allclose(row["mean"], mean, rtol=0, atol=scale * 1e-14)
        np.testing.assert_allclose([row["std"], row["l2_norm"]], [std, norm], rtol=1e-13)
        self.assertEqual(row["sparsity"], counts["zeros"] / values.size)
        if "histogram" in row and array.dtype.kind != "c":
            self.assert_histogram(row["histogram"], finite.astype(np.float64))

    def assert_histogram(self, histogram, values, bounds=None):
        """Edges and counts are numpy.histogram's."""
        try:
            counts, edges = np.histogram(values, len(histogram["counts"]), bounds)
        except ValueError:
            # NumPy gives up where doubles lie too far apart to be edges.
            self.assertEqual((sum(histogram["counts"]), np.spacing(values[0]) > 1e-3), (values.size, True))
            return
        self.assertEqual(histogram["edges"], edges.tolist())
        self.assertEqual(histogram["counts"], counts.tolist())
        n_outside = [(values < edges[0]).sum(), (values > edges[-1]).sum()]
        self.assertEqual([histogram["below"], histogram["above"]], n_outside)

    def assert_all(self, prefix, *arguments):
        """Compares everything that there is to say of a checkpoint."""
        reader = tf.train.load_checkpoint(str(prefix))
        types = reader.get_variable_to_dtype_map()
        document = self.ckpt("stat", "--format", "json", *arguments, prefix)
        self.assertEqual([row["name"] for row in document["tensors"]], sorted(types))
        n_params = 0
        for row in document["tensors"]:
            name = row["name"]
            with self.subTest(prefix, name=name):
                self.assertEqual(row["dtype"], types[name].name)
                array = checkpoints.restore(prefix, name, types[name]).numpy()
                self.assert_stat(row, np.asarray(array))
                n_params += np.size(array) if types[name] != tf.string else 0
        self.assertEqual(document["totals"]["parameters"], n_params)
        self.assertEqual(document["damaged"], [])
        return document

    @drivers.NEEDS_NUMPY_2
    def test_every_form_and_type(self):
        for form in makers.FORMS:
            self.assert_all(makers.make(form, self.dir / form), "--hist", "--bins", 7)

    @drivers.NEEDS_NUMPY_2
    def test_random_numbers_of_every_type(self):
        rng = np.random.default_rng(23)
        tensors = {}
        for name in FLOATS:
            for idx, scale in enumerate([1.0, 1e-3, 1e4]):
                values = rng.standard_normal((300, 7)) * scale + scale * rng.integers(-2, 3)
                values[:: 50 + idx] = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], 7)
                with np.errstate(over="ignore"):
                    tensors[f"{name}/{idx}"] = values.astype(dtype(name))
        for name in INTS:
            info = np.iinfo(name)
            tensors[f"{name}/all"] = rng.integers(info.min, info.max, 3000, dtype=name, endpoint=True)
            tensors[f"{name}/few"] = rng.integers(0, 5, (40, 50)).astype(name)
            tensors[f"{name}/one"] = np.full(9, info.max, name)
        checkpoints.save(self.dir / "m", {name: tf.constant(array) for name, array in tensors.items()})
        for n_bins in [1, 20, 333]:
            self.assert_all(self.dir / "m", "--hist", "--bins", n_bins)
        for bounds in [(-1, 1), (0, 1e4), (2, 2)]:
            document = self.ckpt("stat", "--format", "json", "--hist", f"--range={bounds[0]},{bounds[1]}", "m")
            for row in document["tensors"]:
                values = plain(tensors[row["name"]]).astype(np.float64).ravel()
                with self.subTest(row["name"], bounds=bounds):
                    self.assert_histogram(row["histogram"], values[np.isfinite(values)], bounds)

    def test_large_tensors_by_any_number_of_threads(self):
        rng = np.random.default_rng(29)
        tensors = {"f": rng.standard_normal(900_001).astype(np.float32) * 3 + 100, "d": rng.standard_normal(700_000) ** 5}
        tensors["i"] = rng.integers(-(2**62), 2**62, 400_000)
        checkpoints.save(self.dir / "m", {name: tf.constant(array) for name, array in tensors.items()})
        once = self.assert_all(self.dir / "m", "--hist", "--bins", 50)
        for threads in [1, 3]:
            self.assertEqual(self.assert_all(self.dir / "m", "--hist", "--bins", 50, "--threads", threads), once)


class Differences(Checkpoints):
    """`diff`."""

    def diff(self, a, b, *arguments):
        """(exit status, document)."""
        status, out, err = flowkeep("ckpt", "diff", "--format", "json", *arguments, a, b, cwd=self.dir)
        self.assertEqual(err, "")
        return status, json.loads(out)

    def save(self, prefix, arrays):
        checkpoints.save(self.dir / prefix, {name: tf.constant(array) for name, array in arrays.items()})

    def is_close(self, a, b, atol, rtol, equal_nan):
        """Where elements are the same, as numpy.isclose has it, but exactly for integers."""
        a, b = plain(a), plain(b)
        if a.dtype == object:
            return np.abs(a - b).astype(object) <= atol + rtol * np.abs(b)
        return np.isclose(a, b, rtol, atol, equal_nan)

    def assert_difference(self, found, a, b, is_close):
        """Compares the numbers of a difference."""
        self.assertEqual((found["elements"], found["different"]), (a.size, (~is_close).sum()))
        self.assertEqual(found["first"], [int(i) for i in np.argwhere(~is_close)[0]] if not is_close.all() else None)
        a, b = plain(a), plain(b)
        with np.errstate(all="ignore"):
            distance, scale = np.abs(a - b), np.abs(b)
        # What is not finite is either the same, or counted aside.
        are_finite = np.isfinite(distance.astype(np.float64))
        self.assertEqual(found["not_finite"], (~are_finite & ~is_close).sum())
        distance[~are_finite], scale[~are_finite | (scale == 0)] = 0, np.inf
        for key, values in [("max_abs", distance), ("max_rel", distance.astype(np.float64) / scale.astype(np.float64))]:
            if found[key] is None:
                self.assertFalse(values.any(), key)
            else:
                self.assertEqual(values.max(), values[tuple(found[key]["index"])], key)
                np.testing.assert_allclose(float(found[key]["value"]), float(values.max()), rtol=1e-15)
        n_compared = (are_finite | is_close).sum()
        mean = float(distance.sum(dtype=object) / n_compared) if n_compared else None
        self.assertEqual(found["mean_abs"] is None, mean is None)
        np.testing.assert_allclose(found["mean_abs"] or 0, mean or 0, rtol=1e-13)

    @drivers.NEEDS_NUMPY_2
    def test_what_is_close_is_numpys(self):
        rng = np.random.default_rng(31)
        a, b = {}, {}
        for name in [*FLOATS, *INTS, "bool", "complex64", "complex128"]:
            for idx, amount in enumerate([0, 1e-6, 1e-3, 0.3]):
                values = rng.standard_normal((31, 7)) * 20
                if name.startswith("complex"):
                    values = values * (1 + 0.5j)
                values = np.abs(values) if name.startswith("u") else values
                near = values * (1 + amount * rng.standard_normal(values.shape) * (rng.random(values.shape) < 0.3))
                if name in FLOATS[:5] or name.startswith("complex"):
                    for array in [values, near]:
                        array[rng.integers(0, 31, 2), 0] = [np.nan, np.inf]
                with np.errstate(invalid="ignore"):
                    a[f"{name}/{idx}"] = values.astype(dtype(name))
                    b[f"{name}/{idx}"] = near.astype(dtype(name))
        a["int64/far"] = np.asarray([2**62, -(2**62), 2**53 + 1], np.int64)
        b["int64/far"] = np.asarray([2**62 + 1, 2**62, 2**53], np.int64)
        self.save("a", a)
        self.save("b", b)
        for rtol, atol in [(0, 0), (1e-5, 1e-8), (0.01, 0), (0, 0.5), (0.1, 1)]:
            for flags in [[], ["--nan-differs"]]:
                status, document = self.diff("a", "b", "--all", "--rtol", rtol, "--atol", atol, *flags)
                self.assertEqual([row["name"] for row in document["tensors"]], sorted(a))
                n_different = 0
                for row in document["tensors"]:
                    name = row["name"]
                    with self.subTest(name, rtol=rtol, atol=atol, flags=flags):
                        is_close = self.is_close(a[name], b[name], atol, rtol, not flags).astype(bool)
                        n_different += not is_close.all()
                        self.assertEqual(row["outcome"], "same" if is_close.all() else "different")
                        if "difference" in row:
                            self.assert_difference(row["difference"], a[name], b[name], is_close)
                        else:
                            self.assertEqual(a[name].tobytes(), b[name].tobytes())
                self.assertEqual(document["totals"]["different"], n_different)
                self.assertEqual(status, 1 if n_different else 0)

    def test_the_same_tensors_in_other_formats_are_the_same(self):
        for pair in [("tensors_v1", "tensors"), ("partitioned", "sharded"), ("partitioned_v1", "sharded"), ("sharded_v1", "partitioned")]:
            a, b = [makers.make(form, self.dir / f"{idx}-{'-'.join(pair)}") for idx, form in enumerate(pair)]
            status, document = self.diff(a, b)
            other = {row["name"]: row["outcome"] for row in document["tensors"]}
            only = {name for name, _ in tf.train.list_variables(b)} - {name for name, _ in tf.train.list_variables(a)}
            self.assertEqual((status, other), (1 if only else 0, dict.fromkeys(only, "only_in_second")))
        self.ckpt("convert", "--to", "safetensors", "--skip", a, "m.safetensors")
        status, document = self.diff("m.safetensors", a)
        self.assertEqual((status, [row["name"] for row in document["tensors"]]), (1, ["scope/names"]))
        self.assertEqual(self.diff("m.safetensors", a, "--exclude", "scope/*")[0], 0)

    def test_a_step_of_training_is_seen_in_what_it_changed(self):
        network = makers.network()
        a = network.save(str(self.dir / "a"))
        network.model.layers[0].assign_add([[0.0, 0.5], [0.0, 0.0]])
        b = network.save(str(self.dir / "b"))
        status, document = self.diff(a, b)
        rows = {row["name"].partition("/.")[0]: row["difference"] for row in document["tensors"]}
        self.assertEqual((status, sorted(rows)), (1, ["model/layers/0", "save_counter"]))
        kernel = rows["model/layers/0"]
        self.assertEqual((kernel["different"], kernel["first"], kernel["max_abs"]["value"]), (1, [0, 1], 0.5))

    def test_types_shapes_and_trouble(self):
        value = np.linspace(-3, 3, 1000, dtype=np.float32)
        self.save("a", {"w": value, "s": np.zeros([2, 3]), "a": np.int32(1)})
        self.save("b", {"w": value.astype(ml_dtypes.bfloat16), "s": np.zeros([3, 2]), "b": np.int32(1)})
        status, document = self.diff("a", "b")
        outcomes = {row["name"]: row["outcome"] for row in document["tensors"]}
        self.assertEqual(status, 1)
        self.assertEqual(outcomes, {"w": "other_type", "s": "other_shape", "a": "only_in_first", "b": "only_in_second"})
        for rtol in [0.001, 0.004]:
            is_close = np.isclose(plain(value), plain(value.astype(ml_dtypes.bfloat16)), rtol, 0)
            status, document = self.diff("a", "b", "--any-type", "--rtol", rtol, "--match", "w", "--all")
            self.assertEqual(status, 0 if is_close.all() else 1)
            self.assert_difference(document["tensors"][0]["difference"], value, value.astype(ml_dtypes.bfloat16), is_close)
        data = self.dir / "b.data-00000-of-00001"
        damaged = bytearray(data.read_bytes())
        damaged[damaged.index(value.astype(ml_dtypes.bfloat16).tobytes()) + 99] ^= 1
        data.write_bytes(damaged)
        with self.assertRaises(tf.errors.DataLossError):
            checkpoints.restore(self.dir / "b", "w", tf.bfloat16)
        self.assertEqual(self.diff("a", "b")[0], 1)
        status, document = self.diff("a", "b", "--any-type", "--rtol", 0.01)
        self.assertEqual((status, document["totals"]["unreadable"]), (2, 1))
        self.assertEqual(self.diff("b", "b", "--exclude", "w")[0], 0)
        self.ckpt("diff", "a", "nowhere", status=2)
        self.ckpt("diff", "a", "b", "--rtol", "-1", status=2)
