"""What flowkeep ckpt writes: other formats, edited checkpoints and replaced ones, read by NumPy, safetensors and TensorFlow."""
import glob
import os
import pathlib
import resource
import signal
import subprocess
import time

import checkpoints
import drivers
import makers
import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy
import tensorflow as tf
from checkpoints import Checkpoints, content, restore, restore_by_saver

v1 = tf.compat.v1
# The types that V1 checkpoints have, and NumPy's files as they are: quantized ones become integers, strings lose zeros.
ROUND = {name for name in checkpoints.V1_TYPES if not name.startswith(("q", "string"))}


class Interchange(Checkpoints):
    """Files of NumPy and safetensors, both ways."""

    def setUp(self):
        super().setUp()
        self.tensors = checkpoints.every_tensor()

    def assert_restored(self, prefix, arrays):
        """Compares what TensorFlow restores with arrays {name: array} or {name: (type, array)}, bit by bit."""
        self.assertEqual([name for name, _ in tf.train.list_variables(str(self.dir / prefix))], sorted(arrays))
        for name, array in arrays.items():
            dtype, array = array if isinstance(array, tuple) else (array.dtype, array)
            got = restore(self.dir / prefix, name, dtype)
            with self.subTest(name):
                if tf.as_dtype(dtype) == tf.string:
                    self.assertEqual(got.numpy().tolist(), array.tolist())
                else:
                    self.assertEqual(content(got), (tf.as_dtype(dtype).name, list(array.shape), array.tobytes()))

    def test_npz_is_what_numpy_writes(self):
        makers.make("tensors", self.dir / "m")
        self.ckpt("convert", "--to", "npz", "m", "m.npz")
        with np.load(self.dir / "m.npz") as arrays:
            self.assertEqual(sorted(arrays.files), sorted(self.tensors))
            for name, tensor in self.tensors.items():
                with self.subTest(name):
                    want = tensor.numpy()
                    if tensor.dtype == tf.string:
                        self.assertEqual(arrays[name].tolist(), np.asarray(want).tolist())
                        continue
                    self.assertEqual(arrays[name].shape, want.shape)
                    self.assertEqual(arrays[name].dtype.itemsize, want.dtype.itemsize)
                    if want.dtype.kind != "V" and not name.startswith(("q", "float8", "int4", "uint4")):
                        self.assertEqual(arrays[name].dtype, want.dtype)
                    np.testing.assert_array_equal(arrays[name].view(want.dtype), want)

    def test_what_numpy_writes_is_restored(self):
        rng = np.random.default_rng(3)
        square = rng.standard_normal((5, 7))
        arrays = {
            "fortran": np.asfortranarray(square), "strided": square[::2, ::-3], "deep": rng.integers(0, 9, (2, 3, 4, 5)).T,
            "big": square.astype(">f8"), "big/int": np.arange(9, dtype=">i2"), "scalar": np.float32(0.1),
            "empty": np.zeros([0, 3], np.int8), "bool": square > 0, "complex": square.astype(np.complex64),
            "bfloat16": square.astype(ml_dtypes.bfloat16), "bytes": np.asarray([[b"a", b"bcd"]]), "text": np.asarray(["caf\u00e9", ""]),
        }
        want = {name: (array.dtype, array) for name, array in arrays.items()}
        want |= {name: arrays[name].astype(arrays[name].dtype.newbyteorder("=")) for name in ["big", "big/int"]}
        want |= {"bytes": (tf.string, arrays["bytes"]), "text": (tf.string, np.asarray([text.encode() for text in arrays["text"]]))}
        for save in [np.savez, np.savez_compressed]:
            save(self.dir / "m.npz", **arrays)
            self.ckpt("convert", "--to", "v2", "--overwrite", "m.npz", "m")
            self.assert_restored("m", want)
        for name, array in arrays.items():
            np.save(self.dir / "one.npy", array)
            self.ckpt("convert", "--to", "v2", "--overwrite", "one.npy", "one")
            self.assert_restored("one", {"one": want[name]})
        # Objects are pickles, which run code when they are read.
        np.save(self.dir / "objects.npy", np.asarray([{}, None]), allow_pickle=True)
        self.ckpt("convert", "--to", "v2", "objects.npy", "objects", status=22)

    def test_safetensors_is_what_its_package_reads(self):
        makers.make("tensors", self.dir / "m")
        self.ckpt("convert", "--to", "safetensors", "--skip", "m", "m.safetensors")
        with safetensors.safe_open(self.dir / "m.safetensors", framework="np") as file:
            names = list(file.keys())
            self.assertTrue({name.split("/")[0] for name in names} >= {"bfloat16", "float8_e5m2", "float8_e4m3fn", "complex64", "bool"})
            for name in names:
                # The package has no 8-bit floats of NumPy's to give them as.
                if not name.startswith("float8"):
                    want = self.tensors[name].numpy()
                    got = file.get_tensor(name)
                    self.assertEqual((got.dtype, got.shape, got.tobytes()), (want.dtype, want.shape, want.tobytes()), name)
        # What its own writer makes of the same tensors has the same tensors, and the same bytes for each.
        ours = dict(safetensors.deserialize((self.dir / "m.safetensors").read_bytes()))
        theirs = dict(safetensors.deserialize(safetensors.numpy.save({name: np.asarray(self.tensors[name]) for name in ours})))
        self.assertEqual(ours, theirs)

    def test_what_safetensors_writes_is_restored(self):
        rng = np.random.default_rng(4)
        arrays = {}
        for name in ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"]:
            if name.endswith("fnuz") and drivers.TENSORFLOW < (2, 16):
                with self.subTest(name):
                    self.skipTest("TensorFlow 2.15 has no such type")
                continue
            bits = np.dtype(f"u{ml_dtypes.finfo(name).bits // 8}")
            arrays[f"{name}/every"] = np.arange(256, dtype=bits).reshape(16, 16).view(getattr(ml_dtypes, name))
        ints = [f"{kind}{bits}" for kind in ["int", "uint"] for bits in [8, 16, 32, 64]]
        for name in ["float16", "float32", "float64", "complex64", *ints]:
            for shape in [(), (0,), (3, 1, 5)]:
                n = int(np.prod(shape)) * np.dtype(name).itemsize
                arrays[f"{name}/{len(shape)}"] = np.frombuffer(rng.bytes(n), name).reshape(shape)
        arrays["bool"] = rng.integers(0, 2, (4, 4)).astype(bool)
        safetensors.numpy.save_file(arrays, self.dir / "m.safetensors", metadata={"format": "np"})
        for version in ["v2", "v1"]:
            self.ckpt("convert", "--to", version, "--skip", "m.safetensors", version)
            kept = {name: array for name, array in arrays.items() if version == "v2" or array.dtype.name in checkpoints.V1_TYPES}
            self.assert_restored(version, kept)
        self.ckpt("convert", "--to", "safetensors", "v2", "back.safetensors")
        back = dict(safetensors.deserialize((self.dir / "back.safetensors").read_bytes()))
        self.assertEqual(back, dict(safetensors.deserialize((self.dir / "m.safetensors").read_bytes())))

    def test_formats_in_turn_leave_every_bit(self):
        keep = {name: tensor for name, tensor in self.tensors.items() if tensor.dtype.name in ROUND}
        checkpoints.save(self.dir / "m", keep)
        at = "m"
        for format, path in [("npz", "a.npz"), ("v1", "b"), ("raw", "c"), ("v2", "d"), ("npz", "e.npz"), ("v2", "f")]:
            self.ckpt("convert", "--to", format, at, path)
            at = path
        self.assert_same(self.contents("f"), {name: content(tensor) for name, tensor in keep.items()})
        for suffix in [".index", ".data-00000-of-00001"]:
            self.assertEqual((self.dir / f"f{suffix}").read_bytes(), (self.dir / f"m{suffix}").read_bytes())


class Edits(Checkpoints):
    """Edited checkpoints, restored by a saver of a graph that has what is left."""

    def setUp(self):
        super().setUp()
        self.rng = np.random.default_rng(19)
        self.values = {
            "tower_0/dense/kernel": self.rng.standard_normal((12, 5)).astype(np.float32),
            "tower_0/dense/bias": self.rng.standard_normal(5).astype(np.float32),
            "tower_0/count": np.int64(2**40),
            "names": np.asarray([b"a", b"", b"\xff"], object),
            "layer_9/scale": np.asarray(0.5, ml_dtypes.bfloat16),
        }
        self.save("m", self.values)

    def save(self, prefix, values):
        checkpoints.save(self.dir / prefix, {name: tf.constant(value) for name, value in values.items()})

    def assert_saver_restores(self, prefix, values, partitioner=None):
        """Restores into a graph of exactly these variables; there is nothing else in the checkpoint."""
        self.assertEqual([name for name, _ in tf.train.list_variables(str(self.dir / prefix))], sorted(values))
        types = {name: tf.string if value.dtype == object else tf.as_dtype(value.dtype) for name, value in values.items()}
        variables = {name: (types[name], np.shape(value)) for name, value in values.items()}
        got = restore_by_saver(self.dir / prefix, variables, partitioner)
        for name, value in values.items():
            got_value = np.asarray(got[name], value.dtype)
            same = got_value.tolist() == value.tolist() if value.dtype == object else got_value.tobytes() == value.tobytes()
            self.assertTrue(same, (prefix, name, got_value))

    def test_renamed_by_patterns_and_by_a_map(self):
        new = {"encoder/dense/kernel": 0, "encoder/dense/bias": 1, "encoder/count": 2, "labels": 3, "block9/scale": 4}
        want = dict(zip(new, self.values.values()))
        rules = [("^tower_0/", "encoder/"), (r"layer_(\d+)", r"block\1"), ("^names$", "labels")]
        self.ckpt("rename", *[word for rule in rules for word in ["--sub", *rule]], "m", "regex")
        self.assert_saver_restores("regex", want)
        lines = [f"{old}\t{new}" for old, new in zip(self.values, want)]
        (self.dir / "names.txt").write_text("\n".join(lines), encoding="utf-8")
        self.ckpt("rename", "--map", "names.txt", "m", "map")
        self.assert_saver_restores("map", want)
        self.ckpt("rename", "--map", "names.txt", "--sub", "encoder", "decoder", "m", "both")
        self.assert_saver_restores("both", {name.replace("encoder", "decoder"): value for name, value in want.items()})
        self.ckpt("rename", "--sub", "dense/(kernel|bias)", "same", "m", "clash", status=13)
        self.assertFalse(glob.glob(str(self.dir / "clash*")))

    def test_slices_follow_their_tensor(self):
        for form in ["partitioned", "sharded", "partitioned_v1", "sharded_v1"]:
            prefix = makers.make(form, self.dir / form)
            self.ckpt("rename", "--sub", "^table$", "model/embedding", "--sub", "^scope/", "", prefix, f"{form}-new")
            want = {"model/embedding": makers.TABLE, "names": np.asarray([b"a", b"", b"c'd"], object), "global_step": np.int64(0)}
            self.assert_saver_restores(f"{form}-new", want)
            for n in [2, 3, 5]:
                self.assert_saver_restores(f"{form}-new", want, v1.fixed_size_partitioner(n, axis=n % 2))
            for arguments in [["--shards", "1"], ["--shards", "4"], ["--max-size", "100"]]:
                again = f"{form}-{'-'.join(arguments)}"
                self.ckpt("reshard", *arguments, f"{form}-new", again)
                self.assert_saver_restores(again, want, v1.fixed_size_partitioner(4))

    def test_pruned_of_what_training_needs(self):
        with tf.Graph().as_default(), v1.Session() as session:
            step = v1.train.create_global_step()
            kernel = v1.get_variable("dense/kernel", initializer=tf.constant(self.values["tower_0/dense/kernel"]))
            bias = v1.get_variable("dense/bias", initializer=tf.ones([5]))
            loss = tf.reduce_sum(kernel**2) + tf.reduce_sum(bias**2)
            train = [optimizer.minimize(loss, step) for optimizer in [v1.train.AdamOptimizer(), v1.train.MomentumOptimizer(0.1, 0.9)]]
            session.run(v1.global_variables_initializer())
            session.run(train)
            prefix = v1.train.Saver().save(session, str(self.dir / "train"), write_meta_graph=False)
            want = dict(zip(["dense/kernel", "dense/bias"], session.run([kernel, bias])))
        self.ckpt("prune", "--slots", prefix, "pruned")
        self.assert_saver_restores("pruned", want)
        self.ckpt("prune", "--exclude", "tower_0/*", "--exclude-regex", "scale$", "m", "excluded")
        self.assert_saver_restores("excluded", {"names": self.values["names"]})
        self.ckpt("prune", "--match", "tower_0/{count,dense/*}", "m", "matched")
        self.assert_saver_restores("matched", {name: value for name, value in self.values.items() if name.startswith("tower_0/")})

    def test_cast_into_a_graph_of_that_type(self):
        for short, dtype in [("f16", np.float16), ("bf16", ml_dtypes.bfloat16), ("f64", np.float64)]:
            self.ckpt("cast", "--to", short, "--match", "tower_0/*", "m", short)
            want = {
                name: value.astype(dtype) if name.startswith("tower_0/dense") else value for name, value in self.values.items()
            }
            self.assert_saver_restores(short, want)

    def test_merged_into_one_graph(self):
        self.save("encoder", {"encoder/w": np.float32([1, 2]), "step": np.int64(1)})
        self.save("decoder", {"decoder/w": np.float64([3, 4]), "step": np.int64(2)})
        both = {"encoder/w": np.float32([1, 2]), "decoder/w": np.float64([3, 4])}
        self.ckpt("merge", "encoder", "decoder", "clash", status=13)
        for which, step in [("first", 1), ("last", 2)]:
            self.ckpt("merge", "--on-conflict", which, "encoder", "decoder", which)
            self.assert_saver_restores(which, both | {"step": np.int64(step)})

    def test_slices_are_merged_as_tensorflow_merges_them(self):
        table = self.values["tower_0/dense/kernel"]
        for idx, rows in enumerate([slice(0, 4), slice(4, 9), slice(9, 12)]):
            spec = f"12 5 {rows.start},{rows.stop - rows.start}:-"
            for folder in ["a", "b"]:
                tf.raw_ops.SaveV2(
                    prefix=str(self.dir / folder / f"part{idx}"), tensor_names=["table", f"own{idx}"], shape_and_slices=[spec, ""],
                    tensors=[tf.constant(table[rows]), tf.constant(idx)],
                )
        parts = [str(self.dir / "a" / f"part{idx}") for idx in range(3)]
        self.ckpt("merge", *parts, "ours")
        self.ckpt("verify", "ours")
        tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=str(self.dir / "theirs"))
        want = {"table": table} | {f"own{idx}": np.int32(idx) for idx in range(3)}
        for prefix in ["ours", "theirs"]:
            self.assert_saver_restores(prefix, want, v1.fixed_size_partitioner(2))
            rows = self.ckpt("ls", "--format", "json", prefix)["tensors"]
            self.assertEqual([row["slices"] for row in rows], [0, 0, 0, 3])

    def test_salvaged_into_a_graph_of_what_is_left(self):
        data = self.dir / "m.data-00000-of-00001"
        damaged = bytearray(data.read_bytes())
        at = damaged.index(self.values["tower_0/dense/kernel"].tobytes())
        damaged[at + 100] ^= 0x40
        data.write_bytes(damaged)
        with self.assertRaises(tf.errors.DataLossError):
            restore(self.dir / "m", "tower_0/dense/kernel", tf.float32)
        report = self.ckpt("salvage", "--format", "json", "m", "saved")
        self.assertEqual([lost["name"] for lost in report["lost"]], ["tower_0/dense/kernel"])
        self.assert_saver_restores("saved", {name: value for name, value in self.values.items() if not name.endswith("kernel")})
        data.write_bytes(damaged[:at])
        left = self.ckpt("salvage", "--format", "json", "m", "short")["kept"]
        self.assert_saver_restores("short", {name: self.values[name] for name in left})

    def test_one_edit_after_another(self):
        prefix = makers.make("sharded_v1", self.dir / "train")
        self.ckpt("rename", "--sub", "^table$", "w", prefix, "a")
        self.ckpt("merge", "a", "m", "b")
        self.ckpt("cast", "--to", "bf16", "--match", "w", "b", "c")
        self.ckpt("prune", "--match", "{w,global_step,tower_0/*}", "c", "d")
        self.ckpt("reshard", "--max-size", "64", "d", "e")
        want = {"w": makers.TABLE.astype(ml_dtypes.bfloat16), "global_step": np.int64(0)}
        want |= {name: value for name, value in self.values.items() if name.startswith("tower_0/")}
        self.assert_saver_restores("e", want, v1.fixed_size_partitioner(3))


class Replacements(Checkpoints):
    """Checkpoints that are written over others, and what is left when that is cut off."""

    def write(self, number, n_elements=300_000):
        """Writes a safetensors file with this number in all of its tensors; returns its path."""
        path = self.dir / f"{number}.safetensors"
        arrays = {f"w{idx}": np.full(n_elements, number, np.float32) for idx in range(8)}
        safetensors.numpy.save_file(arrays, path)
        return path

    def numbers(self, prefix):
        """The numbers in a checkpoint, each once."""
        reader = tf.train.load_checkpoint(str(prefix))
        return {number for name in reader.get_variable_to_shape_map() for number in np.unique(reader.get_tensor(name))}

    def test_the_latest_checkpoint_is_still_the_latest(self):
        # Between saves of TensorFlow's own manager, which then restores, keeps count and cleans up.
        folder = self.dir / "train"
        network = makers.network()
        manager = tf.train.CheckpointManager(network, str(folder), max_to_keep=2)
        for idx in range(1, 5):
            prefix = manager.save()
            for n_times in range(3):
                self.ckpt("cast", "--to", "f32", prefix, "edited", "--overwrite")
                self.ckpt("convert", "--to", "v2", "--overwrite", *(["--same-names"] if n_times == 1 else []), "edited", prefix)
                self.assertEqual(tf.train.latest_checkpoint(str(folder)), prefix)
                self.assertEqual(self.ckpt("ls", "--format", "json", folder)["path"], prefix)
                network.restore(manager.latest_checkpoint).assert_consumed()
            self.assertEqual(network.save_counter.numpy(), idx)
        stems = {pathlib.Path(path).name.partition(".")[0] for path in folder.iterdir()}
        self.assertEqual(stems, {"checkpoint", "ckpt-3", "ckpt-4"})

    def test_savers_write_over_what_was_written(self):
        with tf.Graph().as_default(), v1.Session() as session:
            v = v1.get_variable("v", initializer=tf.constant([1.0, 2.0]))
            session.run(v1.global_variables_initializer())
            saver = v1.train.Saver(max_to_keep=1)
            for step in range(3):
                prefix = saver.save(session, str(self.dir / "train" / "m"), global_step=step // 2)
                self.ckpt("convert", "--to", "v2", "--overwrite", prefix, prefix)
                self.assertIn("sound", self.ckpt("verify", "train"))
                saver.restore(session, tf.train.latest_checkpoint(str(self.dir / "train")))
                np.testing.assert_array_equal(session.run(v), [1.0, 2.0])
        self.assertEqual(sorted(path.stem for path in (self.dir / "train").glob("*.index")), ["m-1"])

    def test_a_write_that_fails_leaves_the_old_one(self):
        old, new = self.write(1), self.write(2)
        self.ckpt("convert", "--to", "v2", old, "m")
        before = sorted(path.name for path in self.dir.iterdir())

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))

        command = [os.environ["FLOWKEEP"], "ckpt", "convert", "--to", "v2", "--overwrite", str(new), str(self.dir / "m")]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False, preexec_fn=limit)
        self.assertGreater(done.returncode, 9, done.stderr)
        self.assertEqual(self.numbers(self.dir / "m"), {1.0})
        # So does one whose source turns out to be damaged.
        self.ckpt("convert", "--to", "v2", new, "damaged")
        with open(self.dir / "damaged.data-00000-of-00001", "r+b") as file:
            file.seek(7_000_000)
            file.write(b"\xff")
        self.ckpt("convert", "--to", "v2", "--overwrite", "damaged", "m", status=25)
        self.assertEqual(self.numbers(self.dir / "m"), {1.0})
        after = sorted(path.name for path in self.dir.iterdir() if not path.name.startswith("damaged"))
        self.assertEqual(after, before)
        self.ckpt("convert", "--to", "v2", "--overwrite", new, "m")
        self.assertEqual(self.numbers(self.dir / "m"), {2.0})

    def test_a_killed_write_leaves_the_old_one_or_the_new_one(self):
        sources = [self.write(number) for number in range(2)]
        prefix = self.dir / "train" / "m"
        prefix.parent.mkdir()
        start = time.monotonic()
        self.ckpt("convert", "--to", "v2", sources[0], prefix)
        took = min(time.monotonic() - start, 0.5)
        v1.train.update_checkpoint_state(str(prefix.parent), str(prefix))
        for n_times in range(16):
            command = [os.environ["FLOWKEEP"], "ckpt", "convert", "--to", "v2", "--overwrite", str(sources[n_times % 2]), str(prefix)]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                time.sleep(took * (n_times + 1) / 14)
                process.kill()
            latest = tf.train.latest_checkpoint(str(prefix.parent))
            self.assertEqual(latest, str(prefix))
            self.assertIn(self.numbers(latest), [{0.0}, {1.0}])
            self.assertIn("sound", self.ckpt("verify", "train"))
        self.ckpt("convert", "--to", "v2", "--overwrite", sources[1], prefix)
        self.assertEqual(self.numbers(prefix), {1.0})
        # What killed writers left behind went with the last one.
        names = {path.name for path in prefix.parent.iterdir()} - {"checkpoint", "m.index"}
        counts = {name.rpartition("-of-")[2] for name in names}
        self.assertEqual(len(counts), 1, names)
        self.assertEqual(names, {f"m.data-{idx:05}-of-{count}" for count in counts for idx in range(int(count))})
