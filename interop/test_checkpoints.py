"""flowkeep ckpt beside TensorFlow: each reads everything that the other writes."""
import shutil

import checkpoints
import drivers
import numpy as np
import tensorflow as tf
from checkpoints import Checkpoints, content, restore
from drivers import flowkeep

FIXTURES = drivers.ROOT / "fixtures"


class TensorFlowWrites(Checkpoints):
    """Checkpoints of TensorFlow's own ops and classes, read by flowkeep."""

    def setUp(self):
        super().setUp()
        self.tensors = checkpoints.every_tensor()
        self.want = {name: content(tensor) for name, tensor in self.tensors.items()}

    def test_v2(self):
        checkpoints.save(self.dir / "m", self.tensors)
        self.assert_same(self.contents("m"), self.want)
        self.assertIn("sound", self.ckpt("verify", "m"))

    def test_v2_is_copied_to_the_byte(self):
        checkpoints.save(self.dir / "m", self.tensors)
        self.ckpt("convert", "--to", "v2", "m", "copy")
        for suffix in [".index", ".data-00000-of-00001"]:
            self.assertEqual((self.dir / f"copy{suffix}").read_bytes(), (self.dir / f"m{suffix}").read_bytes())

    def test_v1(self):
        v1 = {name: tensor for name, tensor in self.tensors.items() if tensor.dtype.name in checkpoints.V1_TYPES}
        checkpoints.save(self.dir / "m", v1, version=1)
        self.assert_same(self.contents("m"), {name: self.want[name] for name in v1})
        self.ckpt("convert", "--to", "v1", "m", "copy")
        self.assertEqual((self.dir / "copy").read_bytes(), (self.dir / "m").read_bytes())

    def test_shards_and_slices(self):
        table = np.arange(60, dtype=np.float32).reshape(12, 5)
        config = tf.compat.v1.ConfigProto(device_count={"CPU": 3})
        with tf.Graph().as_default(), tf.compat.v1.Session(config=config) as session:
            partitioner = tf.compat.v1.fixed_size_partitioner(3, axis=0)
            variable = tf.compat.v1.get_variable("table", initializer=tf.constant(table), partitioner=partitioner, use_resource=False)
            for idx, part in enumerate(variable):
                part.op._set_device(f"/device:CPU:{idx}")
            other = tf.compat.v1.get_variable("other", initializer=tf.constant([1, 2, 3]))
            session.run(tf.compat.v1.global_variables_initializer())
            for sharded in [False, True]:
                saver = tf.compat.v1.train.Saver(sharded=sharded, var_list={"table": variable, "other": other})
                prefix = saver.save(session, str(self.dir / f"sharded-{sharded}"), write_meta_graph=False)
                got = self.contents(prefix)
                self.assertEqual(got["table"], ("float32", [12, 5], table.tobytes()))
                self.assertEqual(got["other"][2], np.asarray([1, 2, 3], np.int32).tobytes())

    def test_object_based_checkpoints_and_their_manager(self):
        model = tf.Module()
        model.layers = [tf.Variable([1.0, 2.0]), {"a/b": tf.Variable(3)}]
        manager = tf.train.CheckpointManager(tf.train.Checkpoint(model=model), str(self.dir / "train"), max_to_keep=2)
        for _ in range(3):
            manager.save()
        got = self.contents("train")
        want = {name: content(tf.constant(tf.train.load_variable(manager.latest_checkpoint, name)))
                for name, _ in tf.train.list_variables(manager.latest_checkpoint) if not name.startswith("_")}
        self.assert_same(got, want)

    def test_the_v1_exports_of_tensorflow_serving(self):
        for name in ["session_bundle_half_plus_two", "bad_half_plus_two"]:
            folder = FIXTURES / "saved_models" / name / "00000123"
            path = next(iter([*folder.glob("export-?????-of-?????"), folder / "export"]))
            reader = tf.compat.v1.train.NewCheckpointReader(str(path))
            got = self.contents(folder)
            self.assertEqual(sorted(got), sorted(reader.get_variable_to_shape_map()))
            for key in got:
                self.assertEqual(got[key][2], reader.get_tensor(key).tobytes())


class TensorFlowReads(Checkpoints):
    """Checkpoints that flowkeep wrote, read by TensorFlow."""

    def setUp(self):
        super().setUp()
        self.tensors = checkpoints.every_tensor()
        self.want = {name: content(tensor) for name, tensor in self.tensors.items()}
        checkpoints.write_raw(self.dir / "raw", self.want)

    def assert_readable(self, prefix, want):
        """Reads every tensor by name, alone, and lists them all."""
        got = {name: content(restore(self.dir / prefix, name, dtype)) for name, (dtype, _, _) in want.items()}
        self.assert_same(got, want)
        listed = {name: shape for name, shape in tf.train.list_variables(str(self.dir / prefix))}
        self.assertEqual(listed, {name: list(shape) for name, (_, shape, _) in want.items()})

    def test_v2(self):
        self.ckpt("convert", "--to", "v2", "raw", "m")
        self.assert_readable("m", self.want)
        checkpoints.save(self.dir / "golden", self.tensors)
        for suffix in [".index", ".data-00000-of-00001"]:
            # The same names in the same order give the same bytes.
            self.ckpt("convert", "--to", "v2", "golden", f"again{len(suffix)}")
            again = self.dir / f"again{len(suffix)}{suffix}"
            self.assertEqual(again.read_bytes(), (self.dir / f"golden{suffix}").read_bytes())

    def test_v1(self):
        self.ckpt("convert", "--to", "v1", "--skip", "raw", "m")
        want = {name: value for name, value in self.want.items() if value[0] in checkpoints.V1_TYPES}
        self.assert_readable("m", want)
        reader = tf.compat.v1.train.NewCheckpointReader(str(self.dir / "m"))
        self.assertEqual(sorted(reader.get_variable_to_shape_map()), sorted(want))

    def test_any_number_of_data_files(self):
        for n in [1, 2, 5, 40]:
            self.ckpt("convert", "--to", "v2", "raw", f"whole{n}")
            self.ckpt("reshard", "--shards", n, f"whole{n}", f"m{n}")
            self.assert_readable(f"m{n}", self.want)
            self.ckpt("reshard", "--shards", 1, f"m{n}", f"back{n}")
            self.assert_readable(f"back{n}", self.want)

    def test_slices_by_size(self):
        table = np.arange(1200, dtype=np.int64).reshape(100, 12)
        want = {"table": ("int64", [100, 12], table.tobytes()), "z": ("float32", [], b"\0\0\x80?")}
        checkpoints.write_raw(self.dir / "sliced", want)
        self.ckpt("convert", "--to", "v2", "sliced", "whole")
        self.ckpt("split", "--max-size", "1kB", "whole", "parts")
        self.assert_readable("parts", want)
        for spec, rows in [("100 12 0,10:-", table[:10]), ("100 12 33,40:-", table[33:73]), ("100 12 -:4,3", table[:, 4:7])]:
            np.testing.assert_array_equal(restore(self.dir / "parts", "table", tf.int64, spec), rows)
        self.ckpt("convert", "--to", "v1", "parts", "v1")
        self.assert_readable("v1", want)

    def test_a_checkpoint_that_was_replaced(self):
        for _ in range(3):
            self.ckpt("convert", "--to", "v2", "--overwrite", "raw", "m")
            self.assert_readable("m", self.want)
        reader = tf.train.load_checkpoint(str(self.dir / "m"))
        self.assertEqual(content(tf.constant(reader.get_tensor("float32/2x3"))), self.want["float32/2x3"])

    def test_numpy_and_safetensors(self):
        import safetensors

        self.ckpt("convert", "--to", "npz", "--exclude", "string/*", "raw", "m.npz")
        with np.load(self.dir / "m.npz") as arrays:
            for name, (dtype, shape, data) in self.want.items():
                if dtype != "string":
                    self.assertEqual((list(arrays[name].shape), arrays[name].tobytes()), (shape, data), name)
        self.ckpt("convert", "--to", "safetensors", "--skip", "raw", "m.safetensors")
        stored = safetensors.deserialize((self.dir / "m.safetensors").read_bytes())
        self.assertGreater(len(stored), 50)
        for name, view in stored:
            self.assertEqual((list(view["shape"]), bytes(view["data"])), tuple(self.want[name][1:]), name)
        self.ckpt("convert", "--to", "v2", "m.safetensors", "back")
        self.assert_readable("back", {name: self.want[name] for name, _ in stored})


class Edits(Checkpoints):
    """What editing leaves is what TensorFlow expects."""

    def model(self):
        """A model with an optimizer that has slots."""
        model = tf.Module()
        model.dense = tf.Module()
        model.dense.kernel = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
        model.dense.bias = tf.Variable([5.0, 6.0])
        optimizer = tf.compat.v1.train.AdamOptimizer(0.1)
        optimizer.minimize(lambda: tf.reduce_sum(model.dense.kernel**2) + tf.reduce_sum(model.dense.bias**2),
                           var_list=[model.dense.kernel, model.dense.bias])
        return model, optimizer

    def test_renamed_object_based_checkpoints_restore_into_the_same_objects(self):
        model, optimizer = self.model()
        prefix = tf.train.Checkpoint(model=model, optimizer=optimizer).save(str(self.dir / "m"))
        self.ckpt("rename", "--sub", "^model/", "net/", prefix, "renamed")
        # Paths are what matters to TensorFlow, not keys: the graph still says `model`.
        other, other_optimizer = self.model()
        status = tf.train.Checkpoint(model=other, optimizer=other_optimizer).restore(str(self.dir / "renamed"))
        status.assert_consumed()
        np.testing.assert_array_equal(other.dense.kernel, model.dense.kernel)
        slot = optimizer.get_slot(model.dense.kernel, "m")
        np.testing.assert_array_equal(other_optimizer.get_slot(other.dense.kernel, "m"), slot)

    def test_pruned_object_based_checkpoints_restore_without_the_optimizer(self):
        model, optimizer = self.model()
        prefix = tf.train.Checkpoint(model=model, optimizer=optimizer).save(str(self.dir / "m"))
        self.ckpt("prune", "--slots", prefix, "pruned")
        names = [name for name, _ in tf.train.list_variables(str(self.dir / "pruned"))]
        self.assertEqual(names, ["_CHECKPOINTABLE_OBJECT_GRAPH", "model/dense/bias/.ATTRIBUTES/VARIABLE_VALUE",
                                 "model/dense/kernel/.ATTRIBUTES/VARIABLE_VALUE", "save_counter/.ATTRIBUTES/VARIABLE_VALUE"])
        other = tf.Module()
        other.dense = tf.Module()
        other.dense.kernel, other.dense.bias = tf.Variable(tf.zeros([2, 2])), tf.Variable(tf.zeros([2]))
        tf.train.Checkpoint(model=other).restore(str(self.dir / "pruned")).assert_existing_objects_matched()
        np.testing.assert_array_equal(other.dense.kernel, model.dense.kernel)

    def test_pruned_name_based_checkpoints_have_the_variables_alone(self):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            tf.compat.v1.train.get_or_create_global_step()
            kernel = tf.compat.v1.get_variable("dense/kernel", initializer=tf.ones([2, 2]), use_resource=False)
            bias = tf.compat.v1.get_variable("dense/bias", initializer=tf.ones([2]))
            loss = tf.reduce_sum(kernel) + tf.reduce_sum(bias)
            optimizers = [
                tf.compat.v1.train.AdamOptimizer(), tf.compat.v1.train.MomentumOptimizer(0.1, 0.9),
                tf.compat.v1.train.RMSPropOptimizer(0.1, centered=True), tf.compat.v1.train.AdagradOptimizer(0.1),
                tf.compat.v1.train.AdadeltaOptimizer(), tf.compat.v1.train.FtrlOptimizer(0.1),
                tf.compat.v1.train.ProximalAdagradOptimizer(0.1),
                tf.compat.v1.train.AdagradDAOptimizer(0.1, tf.compat.v1.train.get_global_step()),
            ]
            for optimizer in optimizers:
                optimizer.minimize(loss, global_step=tf.compat.v1.train.get_global_step())
            with tf.compat.v1.name_scope("train"):
                tf.compat.v1.train.AdamOptimizer().minimize(loss)
            session.run(tf.compat.v1.global_variables_initializer())
            prefix = tf.compat.v1.train.Saver().save(session, str(self.dir / "m"), write_meta_graph=False)
        self.assertGreater(len(tf.train.list_variables(prefix)), 20)
        self.ckpt("prune", "--slots", prefix, "pruned")
        names = [name for name, _ in tf.train.list_variables(str(self.dir / "pruned"))]
        self.assertEqual(names, ["dense/bias", "dense/kernel"])

    def test_casts_are_tensorflows_to_the_bit(self):
        rng = np.random.default_rng(3)
        bits = rng.integers(0, 2**32, 40000, dtype=np.uint64).astype(np.uint32)
        edges = np.asarray([0, 0x80000000, 0x7F800000, 0xFF800000, 0x33000000, 0x477FE000, 0x477FEFFF, 0x477FF000, 0x7F7FFFFF,
                            0x3F808000, 0x3F818000, 1, 0x00800000], np.uint32)
        value = np.concatenate([edges, bits]).view(np.float32)
        value = value[~np.isnan(value)]
        checkpoints.save(self.dir / "m", {"x": tf.constant(value), "d": tf.constant(value.astype(np.float64) * (1 + 2**-30))})
        for name, dtype in [("f16", tf.float16), ("bf16", tf.bfloat16)]:
            self.ckpt("cast", "--to", name, "m", name)
            got = restore(self.dir / name, "x", dtype)
            self.assertEqual(content(got), content(tf.cast(tf.constant(value), dtype)), name)
        # TensorFlow takes subnormals for zeros on the way to double precision; NumPy keeps them.
        self.ckpt("cast", "--to", "f64", "m", "f64")
        self.assertEqual(restore(self.dir / "f64", "x", tf.float64).numpy().tobytes(), value.astype(np.float64).tobytes())
        with np.errstate(over="ignore"):
            want = (value.astype(np.float64) * (1 + 2**-30)).astype(np.float16)
        self.assertEqual(restore(self.dir / "f16", "d", tf.float16).numpy().tobytes(), want.tobytes())
        for name, dtype in [("f16", tf.float16), ("bf16", tf.bfloat16)]:
            self.ckpt("cast", "--to", "f32", name, f"{name}-back")
            want = tf.cast(restore(self.dir / name, "x", dtype), tf.float32)
            self.assertEqual(content(restore(self.dir / f"{name}-back", "x", tf.float32)), content(want), name)

    def test_means_are_numpys(self):
        rng = np.random.default_rng(5)
        values = [rng.standard_normal(300_000).astype(np.float32) for _ in range(4)]
        for idx, value in enumerate(values):
            step = tf.constant(idx, tf.int64)
            checkpoints.save(self.dir / f"m-{idx}", {"w": tf.constant(value), "h": tf.constant(value[:9].astype(np.float16)), "step": step})
        for n in [1, 2, 3, 4]:
            self.ckpt("avg", *[f"m-{idx}" for idx in range(n)], f"avg{n}")
            want = np.mean(np.asarray(values[:n], np.float64), axis=0)
            got = restore(self.dir / f"avg{n}", "w", tf.float32).numpy()
            np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-8)
            self.assertEqual(restore(self.dir / f"avg{n}", "step", tf.int64).numpy(), n - 1)
        self.ckpt("avg", "--weights", "1,3", "m-0", "m-1", "weighted")
        want = np.average(np.asarray(values[:2], np.float64), axis=0, weights=[1, 3])
        np.testing.assert_allclose(restore(self.dir / "weighted", "w", tf.float32), want, rtol=1e-6, atol=1e-8)

    def test_merged_checkpoints_and_what_is_left_of_damaged_ones(self):
        for idx in range(2):
            checkpoints.save(self.dir / f"part{idx}", {f"t{idx}{k}": tf.fill([50], float(k)) for k in range(20)})
        self.ckpt("merge", "part0", "part1", "all")
        self.assertEqual(len(tf.train.list_variables(str(self.dir / "all"))), 40)
        data = self.dir / "all.data-00000-of-00001"
        damaged = bytearray(data.read_bytes())
        damaged[1000] ^= 1
        data.write_bytes(damaged)
        self.assertIn("1 damaged", self.ckpt("verify", "all", status=1))
        report = self.ckpt("salvage", "--format", "json", "all", "saved")
        self.assertEqual((len(report["kept"]), len(report["lost"])), (39, 1))
        for name, _ in tf.train.list_variables(str(self.dir / "saved")):
            self.assertEqual(restore(self.dir / "saved", name, tf.float32).shape, [50])
        shutil.copy(self.dir / "all.index", self.dir / "torn.index")
        self.assertEqual(flowkeep("ckpt", "verify", "torn", cwd=self.dir)[0], 1)
