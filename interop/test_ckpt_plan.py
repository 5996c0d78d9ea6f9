"""flowkeep ckpt plan beside what TensorFlow's savers do."""
import json

import checkpoints
import makers
import numpy as np
import tensorflow as tf
from checkpoints import Checkpoints
from drivers import flowkeep

v1 = tf.compat.v1


class Plans(Checkpoints):
    """`plan` beside what a saver of the graph does."""

    def setUp(self):
        super().setUp()
        self.rng = np.random.default_rng(17)

    def meta(self, name, variables, **options):
        """Writes the MetaGraph of a saver of variables {name: (type, shape, keywords of get_variable)}."""
        with tf.Graph().as_default():
            for variable, (dtype, shape, keywords) in variables.items():
                v1.get_variable(variable, shape, dtype, v1.zeros_initializer(), **keywords)
            v1.train.Saver(**options).export_meta_graph(str(self.dir / name))

    def restore(self, meta, prefix):
        """What variables hold after a restore, {name: array}, or the text of the error."""
        with tf.Graph().as_default(), v1.Session(config=makers.DEVICES) as session:
            saver = v1.train.import_meta_graph(meta)
            try:
                saver.restore(session, prefix)
            except (tf.errors.OpError, ValueError) as error:
                return str(error)
            found = {}
            for variable in v1.global_variables():
                info = variable._get_save_slice_info()
                found[info.full_name if info else variable.op.name] = session.run(variable)
            return found

    def plan(self, prefix, meta):
        """The plan, after comparing its exit status and its error with what the saver does."""
        prefix, meta = str(self.dir / prefix), str(self.dir / meta)
        restored = self.restore(meta, prefix)
        status, out, err = flowkeep("ckpt", "plan", "--format", "json", prefix, meta)
        self.assertEqual(err, "")
        plan = json.loads(out)
        self.assertEqual(status, 0 if plan["ok"] else 1)
        error = plan["tensorflow_error"]
        if isinstance(restored, dict):
            self.assertIsNone(error)
        else:
            self.assertFalse(plan["ok"], restored)
            self.assertIsNotNone(error, restored)
            self.assertIn(error, restored)
        return plan, restored

    def test_what_is_planned_is_what_the_saver_does(self):
        # Random variables, and for each set of them checkpoints with random faults.
        dtypes = ["float32", "float64", "int32", "int64", "bfloat16", "complex64", "bool"]
        shapes = [(), (1,), (6,), (2, 3), (3, 2), (1, 2, 3)]
        outcomes = []
        for n_graph in range(12):
            names = self.rng.choice(["a", "b", "dense/kernel", "dense/bias", "global_step", "w/Adam", "x"], 4, replace=False)
            variables = {}
            for name in names:
                dtype, shape = str(self.rng.choice(dtypes)), shapes[self.rng.integers(len(shapes))]
                variables[str(name)] = (dtype, shape, {"use_resource": bool(self.rng.integers(2))})
            self.meta("m.meta", variables, reshape=bool(n_graph % 3 == 0), sharded=bool(n_graph % 2))
            for n_faults in [0, 1, 1, 1, 2]:
                tensors = {name: (dtype, shape) for name, (dtype, shape, _) in variables.items()}
                for name in self.rng.choice(list(tensors), n_faults, replace=False):
                    dtype, shape = tensors.pop(name)
                    fault = self.rng.choice(["missing", "renamed", "dtype", "shape", "extra"])
                    if fault == "renamed":
                        tensors[f"scope/{name}"] = dtype, shape
                    elif fault == "dtype":
                        tensors[name] = dtypes[dtypes.index(dtype) - 1], shape
                    elif fault == "shape":
                        tensors[name] = dtype, shapes[shapes.index(shape) - 1]
                    elif fault == "extra":
                        tensors |= {name: (dtype, shape), f"{name}_1": (dtype, shape)}
                version = 1 if self.rng.random() < 0.3 and not any(dtype == "bfloat16" for dtype, _ in tensors.values()) else 2
                prefix = f"m-{n_graph}-{len(list(self.dir.iterdir()))}"
                values = {
                    name: tf.cast(tf.random.stateless_uniform(shape, [1, 2], 0, 2), dtype) for name, (dtype, shape) in tensors.items()
                }
                checkpoints.save(self.dir / prefix, values, version)
                with self.subTest(variables=variables, tensors=tensors, version=version):
                    plan, restored = self.plan(prefix, "m.meta")
                    items = {item["name"]: item for item in plan["tensors"]}
                    outcomes += [item["outcome"] for item in items.values()]
                    self.assertEqual(sorted(items), sorted(variables))
                    self.assertEqual({row["name"] for row in plan["unused"]}, set(tensors) - set(variables))
                    for name, (dtype, shape, _) in variables.items():
                        stored = tensors.get(name)
                        fits = stored and stored[0] == dtype
                        want = "missing" if not stored else "restored" if stored == (dtype, shape) else "mismatch"
                        if fits and stored[1] != shape and n_graph % 3 == 0 and np.prod(shape) == np.prod(stored[1]):
                            want = "reshaped"
                        self.assertEqual(items[name]["outcome"], want, name)
                        if plan["ok"]:
                            np.testing.assert_array_equal(restored[name], values[name].numpy().reshape(shape), name)
        self.assertEqual(set(outcomes), {"restored", "missing", "mismatch", "reshaped"})

    def test_partitioned_variables_and_several_ops(self):
        for form in ["partitioned", "sharded", "partitioned_v1", "sharded_v1"]:
            prefix = makers.make(form, self.dir / form)
            (meta,) = (self.dir / form).glob("*.meta")
            plan, restored = self.plan(prefix, meta)
            self.assertTrue(plan["ok"])
            np.testing.assert_array_equal(restored["global_step"], 0)
            names, step = tf.constant(["x", "y", "z"]), tf.constant(1, tf.int64)
            good = {"table": tf.constant(makers.TABLE), "scope/names": names, "global_step": step}
            for idx, faults in enumerate([
                {}, {"table": tf.zeros([12, 5], tf.int16)}, {"table": tf.zeros([5, 12])}, {"table": None}, {"global_step": tf.constant(1)},
                {"global_step": tf.constant([1], tf.int64)}, {"scope/names": tf.zeros([3])}, {"scope/names": None},
            ]):
                for version in [1, 2]:
                    tensors = {name: tensor for name, tensor in (good | faults).items() if tensor is not None}
                    checkpoints.save(self.dir / f"{form}-{idx}-v{version}", tensors, version)
                    with self.subTest(form, faults=faults, version=version):
                        plan, restored = self.plan(f"{form}-{idx}-v{version}", meta)
                        self.assertEqual(plan["ok"], not faults)
                        wrong = [item["name"] for item in plan["tensors"] if item["outcome"] != "restored"]
                        self.assertEqual(wrong, list(faults))

    def test_objects_are_restored_by_names(self):
        network = makers.network()
        prefix = network.save(str(self.dir / "objects"))
        kernel, bias = network.model.layers[0], network.model.layers[1]["a/b.c"]
        for use_resource in [False, True]:
            keywords = {"use_resource": use_resource}
            variables = {"kernel": ("float32", [2, 2], keywords), "bias": ("float32", [2], keywords)}
            self.meta("m.meta", variables)
            plan, restored = self.plan(prefix, "m.meta")
            self.assertEqual((plan["ok"], plan["names"]), (True, "full_names_of_source"))
            np.testing.assert_array_equal(restored["kernel"], kernel)
            np.testing.assert_array_equal(restored["bias"], bias)
            for name in ["absent", "kernel/more"]:
                self.meta("m.meta", variables | {name: ("float32", [2], {})})
                self.assertFalse(self.plan(prefix, "m.meta")[0]["ok"])
