"""flowkeep ckpt ls and cat beside TensorFlow's readers, NumPy's printing and inspect_checkpoint."""
import contextlib
import glob
import io
import pathlib
import runpy
import subprocess
import sys

import checkpoints
import drivers
import makers
import numpy as np
import tensorflow as tf
from absl.testing import flagsaver
from checkpoints import Checkpoints
from drivers import flowkeep, flowkeep_bytes
from tensorflow.core.protobuf import trackable_object_graph_pb2

v1 = tf.compat.v1
INSPECT = "tensorflow.python.tools.inspect_checkpoint"
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def declared(path):
    """[(name, type, shape)] as TensorFlow's reader has it."""
    reader = tf.train.load_checkpoint(str(path))
    types = reader.get_variable_to_dtype_map()
    return [(name, types[name].name, shape) for name, shape in tf.train.list_variables(str(path))]


def listed(document):
    """[(name, type, shape)] of a listing."""
    return [(row["name"], row["dtype"], row["shape"]) for row in document["tensors"]]


class Listings(Checkpoints):
    """`ls` and which checkpoint a path means."""

    def ls(self, *arguments):
        return self.ckpt("ls", "--format", "json", *arguments)

    def test_every_spelling_of_a_path_lists_what_the_reader_has(self):
        for form in makers.FORMS:
            folder = self.dir / form
            prefix = makers.make(form, folder)
            want = declared(prefix)
            files = [path for path in glob.glob(f"{prefix}*") if not path.endswith((".meta", "checkpoint"))]
            self.assertTrue(files, form)
            spellings = [prefix, *files, folder, f"{folder}/"]
            spellings += [path for path in glob.glob(f"{prefix}.meta")]
            if form == "saved_model":
                spellings.append(pathlib.Path(prefix).parent)
            for path in spellings:
                with self.subTest(form, path=path):
                    document = self.ls(path)
                    self.assertEqual(listed(document), want)
                    self.assertEqual(document["path"], prefix)
                    self.assertEqual(document["format"], "v1" if form.endswith("v1") else "v2")
                    self.assertEqual(document["damaged"], [])
            if tf.train.latest_checkpoint(str(folder)):
                self.assertEqual(want, declared(folder), form)

    def test_sums_and_places_are_those_of_the_tensors(self):
        for form in makers.FORMS:
            prefix = makers.make(form, self.dir / form)
            document = self.ls(prefix)
            n_elements = 0
            for row in document["tensors"]:
                n = int(np.prod(row["shape"], dtype=int))
                n_elements += n
                self.assertEqual(row["elements"], n, row)
                if row["dtype"] != "string":
                    self.assertEqual(row["bytes"], n * tf.as_dtype(row["dtype"]).size, (form, row))
                if row["name"] == "table":
                    self.assertEqual(row["slices"], 3, form)
                    self.assertEqual(len(row["files"]), 3 if form.startswith("sharded") else 1, (form, row))
            totals = document["totals"]
            self.assertEqual((totals["tensors"], totals["elements"]), (len(document["tensors"]), n_elements), form)

    def test_objects_are_those_of_the_object_graph(self):
        for form in ["objects", "managed", "saved_model"]:
            prefix = makers.make(form, self.dir / form)
            graph = trackable_object_graph_pb2.TrackableObjectGraph()
            graph.ParseFromString(tf.train.load_variable(prefix, OBJECT_GRAPH))
            slots = {}
            for optimizer, node in enumerate(graph.nodes):
                for slot in node.slot_variables:
                    slots[slot.slot_variable_node_id] = {
                        "name": slot.slot_name, "variable": slot.original_variable_node_id, "optimizer": optimizer,
                    }
            want = {OBJECT_GRAPH: None}
            for idx, node in enumerate(graph.nodes):
                for attribute in node.attributes:
                    path, _, name = attribute.checkpoint_key.rpartition("/.ATTRIBUTES/")
                    self.assertEqual(name, attribute.name)
                    want[attribute.checkpoint_key] = {
                        "node": idx, "path": path, "attribute": name, "full_name": attribute.full_name, "slot": slots.get(idx),
                    }
            self.assertEqual(len(slots), 0 if form == "saved_model" else 4)
            document = self.ls("--objects", prefix)
            self.assertEqual(listed(document), declared(prefix), form)
            self.assertEqual({row["name"]: row.get("object") for row in document["tensors"]}, want, form)
        self.ckpt("ls", "--objects", makers.make("sharded", self.dir / "sharded"), status=13)

    def assert_latest(self, folder):
        """Compares what is latest, by directory and by state file; returns it."""
        latest = tf.train.latest_checkpoint(str(folder))
        for path in [folder, folder / "checkpoint"]:
            document = self.ls(path)
            self.assertEqual(document["path"], latest)
            self.assertEqual(listed(document), declared(latest))
        return latest

    def assert_latest_is_gone(self, folder):
        """TensorFlow finds no files for what the state file names, says so, and has no latest checkpoint."""
        with self.assertLogs(tf.get_logger(), "ERROR") as logs:
            self.assertIsNone(tf.train.latest_checkpoint(str(folder)))
        self.assertIn("Couldn't match files for checkpoint", logs.output[0])

    def test_the_latest_checkpoint_is_tensorflows(self):
        folder = self.dir / "train"
        folder.mkdir()
        with tf.Graph().as_default(), v1.Session() as session:
            v1.get_variable("v", initializer=tf.constant([1.0, 2.0]))
            session.run(v1.global_variables_initializer())
            for relative in [False, True]:
                for version in [1, 2]:
                    saver = v1.train.Saver(save_relative_paths=relative, write_version=version, max_to_keep=2)
                    for step in [8, 9, 10]:
                        saver.save(session, str(folder / f"{relative}-v{version}"), global_step=step)
                        latest = self.assert_latest(folder)
                        self.assertTrue(latest.endswith(f"{relative}-v{version}-{step}"), latest)
                    text = (folder / "checkpoint").read_text(encoding="utf-8")
                    self.assertEqual(str(folder) in text, not relative)
            # Neither the newest nor the one with the largest number: what the state says.
            older = saver.last_checkpoints[0]
            for path in [older, pathlib.Path(older).name]:
                v1.train.update_checkpoint_state(str(folder), path, saver.last_checkpoints)
                self.assertEqual(self.assert_latest(folder), older)
                self.assertEqual(v1.train.get_checkpoint_state(str(folder)).model_checkpoint_path, older)

    def test_directories_that_moved(self):
        for relative in [True, False]:
            folder, moved = self.dir / f"train-{relative}", self.dir / f"moved-{relative}"
            with tf.Graph().as_default(), v1.Session() as session:
                v1.get_variable("v", initializer=tf.constant([1.0, 2.0]))
                session.run(v1.global_variables_initializer())
                v1.train.Saver(save_relative_paths=relative).save(session, str(folder / "m"), global_step=1)
            folder.rename(moved)
            document = self.ls(moved)
            self.assertEqual(document["path"], str(moved / "m-1"))
            self.assertEqual(listed(document), declared(moved / "m-1"))
            # TensorFlow gives up where paths were absolute; we look beside the state file, and say so.
            if relative:
                self.assert_latest(moved)
            else:
                self.assert_latest_is_gone(moved)
            self.assertEqual("beside that file" in document["checkpoint"], not relative)

    def test_nothing_is_taken_for_a_checkpoint_that_is_gone(self):
        folder = self.dir / "train"
        prefix = makers.make("managed", folder)
        for path in glob.glob(f"{prefix}.*"):
            pathlib.Path(path).unlink()
        self.assert_latest_is_gone(folder)
        status, out, err = flowkeep("ckpt", "ls", folder)
        self.assertEqual((status, out), (15, ""))
        self.assertIn(f"names {prefix}, which is not there", err)


class Inspections(Checkpoints):
    """`cat --compat` beside inspect_checkpoint, to the byte."""

    def inspect(self, *arguments):
        """(exit status, text) of TensorFlow's tool, run as `python -m` does but in this process."""
        out, status = io.StringIO(), 0
        argv, sys.argv = sys.argv, [INSPECT, *map(str, arguments)]
        try:
            with np.printoptions(), flagsaver.flagsaver(), contextlib.redirect_stdout(out):
                runpy.run_module(INSPECT, run_name="__main__")
        except SystemExit as stop:
            status = stop.code or 0
        finally:
            sys.argv = argv
        return status, out.getvalue()

    def assert_same_text(self, *arguments):
        """Compares both tools; returns the text."""
        status, out, _ = flowkeep("ckpt", "cat", "--compat", *arguments)
        with self.subTest(arguments):
            self.assertEqual((status, out), self.inspect(*arguments))
        return out

    def test_the_tool_itself_prints_the_same(self):
        prefix = makers.make("tensors", self.dir / "m")
        arguments = [f"--file_name={prefix}", "--all_tensors", "--count_exclude_pattern=^float(16|32)/"]
        done = subprocess.run([sys.executable, "-m", INSPECT, *arguments], capture_output=True, timeout=300, check=False)
        status, out, _ = flowkeep_bytes("ckpt", "cat", "--compat", *arguments)
        self.assertEqual((status, out.decode()), (done.returncode, done.stdout.decode()))
        self.assertEqual((status, out.decode()), self.inspect(*arguments))

    def test_every_form_and_flag(self):
        for form in makers.FORMS:
            prefix = makers.make(form, self.dir / form)
            for flags in [["--all_tensors"], ["--all_tensor_names"], ["--all_tensors", "--printoptions", "precision=3", "threshold=4"]]:
                out = self.assert_same_text(f"--file_name={prefix}", *flags)
                self.assertIn("tensor: ", out)
            # A V1 checkpoint is listed by TensorFlow in the order of a hash table.
            if not form.endswith("v1"):
                self.assert_same_text(f"--file_name={prefix}")
            for name, _, _ in declared(prefix)[::5]:
                self.assert_same_text(f"--file_name={prefix}", f"--tensor_name={name}")
            for path in [self.dir / form, *glob.glob(f"{prefix}.*"), f"{prefix}-nope"]:
                self.assert_same_text(f"--file_name={path}", "--all_tensors")

    @drivers.NEEDS_NUMPY_2
    def test_numbers_of_all_sizes_are_printed_alike(self):
        rng = np.random.default_rng(11)
        tensors = {}
        for dtype in ["float16", "bfloat16", "float32", "float64"]:
            for idx in range(40):
                shape = rng.integers(1, 6, rng.integers(1, 4))
                value = rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 9, shape if idx % 2 else 1)
                value.flat[0] = rng.choice([np.nan, np.inf, -np.inf, 0.0, 1.0, value.flat[0]])
                with np.errstate(over="ignore"):
                    tensors[f"{dtype}/{idx}"] = tf.cast(tf.constant(value), dtype)
        checkpoints.save(self.dir / "m", tensors)
        for options in ["", "suppress=true precision=2", "floatmode=unique sign=+", "linewidth=30 threshold=20 edgeitems=1"]:
            flags = ["--printoptions", *options.split()] if options else []
            self.assert_same_text(f"--file_name={self.dir / 'm'}", "--all_tensors", *flags)


class Values(Checkpoints):
    """`cat` beside NumPy's printing and indexing."""

    def setUp(self):
        super().setUp()
        self.rng = np.random.default_rng(13)

    def index(self, shape):
        """A random index of NumPy's basic kind that fits a shape, as text."""
        n = self.rng.integers(0, len(shape) + 1)
        n_before = self.rng.integers(0, n + 1) if n == 0 or self.rng.random() < 0.3 else n
        words = []
        for dim in (*shape[:n_before], *shape[len(shape) - (n - n_before) :]):
            if dim and self.rng.random() < 0.3:
                words.append(str(self.rng.integers(-dim, dim)))
                continue
            numbers = self.rng.integers(-dim - 2, dim + 3, 2), self.rng.choice([-3, -2, -1, 1, 2, 3], 1)
            numbers = ["" if self.rng.random() < 0.5 else str(number) for number in np.concatenate(numbers)]
            words.append(":".join(numbers if numbers[2] else numbers[:2]))
        if n_before < n or not words:
            words.insert(n_before, "...")
        return ",".join(words)

    def requests(self, prefix, n):
        """[(name, index, type, array that is asked for)] of random tensors."""
        types = tf.train.load_checkpoint(prefix).get_variable_to_dtype_map()
        found = []
        for name in self.rng.choice(sorted(name for name in types if name != OBJECT_GRAPH), n):
            value = checkpoints.restore(prefix, name, types[name]).numpy()
            value = np.asarray(value, object if types[name] == tf.string else None)
            index = self.index(value.shape)
            part = eval("value[" + index + "]")
            found.append((name, index, types[name].name, np.asarray(part, value.dtype)))
        return found

    def test_slices_are_numpys(self):
        for form in makers.FORMS:
            prefix = makers.make(form, self.dir / form)
            requests = self.requests(prefix, 60)
            texts = [f"{name}[{index}]" for name, index, _, _ in requests]
            want = [f"tensor: {name}[{at}] ({dtype}) {list(part.shape)}\n{part!s}\n" for name, at, dtype, part in requests]
            self.assertEqual(self.ckpt("cat", prefix, *texts), "".join(want), form)
            raw = flowkeep_bytes("ckpt", "cat", "--raw", prefix, *texts)
            parts = [part for _, _, _, part in requests]
            want = [b"".join(part.ravel()) if part.dtype == object else part.tobytes() for part in parts]
            self.assertEqual(raw, (0, b"".join(want), ""), form)

    def test_large_tensors_are_read_in_part(self):
        shape = (70, 110, 90)
        value = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
        checkpoints.save(self.dir / "m", {"big": tf.constant(value)})
        indices = ["3", "-1,2:5", ":,7", "...,11", "::-9,::50,::40", "69,109,89", "1:3,...,-4:", "5:2"]
        for index in [*indices, *(self.index(shape) for _ in range(20))]:
            part = eval("value[" + index + "]")
            raw = flowkeep_bytes("ckpt", "cat", "--raw", self.dir / "m", f"big[{index}]")
            self.assertEqual(raw, (0, part.tobytes(), ""), index)
            self.assertEqual(self.ckpt("cat", "m", f"big[{index}]"), f"{part}\n", index)

    def test_indices_that_do_not_fit_fail_in_numpys_words(self):
        value = np.zeros([2, 3], np.float32)
        checkpoints.save(self.dir / "m", {"w": tf.constant(value), "s": tf.constant(1.0)})
        for name, array, index in [
            ("w", value, "2"), ("w", value, "-3"), ("w", value, "0,3"), ("w", value, ":,:,:"), ("w", value, "...,0,0,0"),
            ("w", value, "...,..."), ("w", value, "::0"), ("w", value, "1,...,7"), ("s", np.asarray(1.0), "0"),
        ]:
            with self.assertRaises((IndexError, ValueError)) as caught:
                eval("array[" + index + "]")
            status, out, err = flowkeep("ckpt", "cat", "m", f"{name}[{index}]", cwd=self.dir)
            self.assertEqual((status, out), (13, ""), index)
            self.assertIn(str(caught.exception), err)

    def test_print_options_are_numpys(self):
        value = self.rng.standard_normal((40, 30)) * 1000
        checkpoints.save(self.dir / "m", {"w": tf.constant(value), "h": tf.cast(tf.constant(value[:2]), tf.bfloat16)})
        half = checkpoints.restore(self.dir / "m", "h", tf.bfloat16).numpy()
        for options in [
            {}, {"precision": 2}, {"threshold": 5, "edgeitems": 1}, {"threshold": 5000, "linewidth": 200}, {"suppress": True},
            {"floatmode": "fixed", "precision": 3}, {"sign": "+", "floatmode": "maxprec"},
        ]:
            flags = [f"--printoptions={key}={value}" for key, value in options.items()]
            with np.printoptions(**options):
                self.assertEqual(self.ckpt("cat", *flags, "m", "w"), f"{value}\n", options)
                self.assertEqual(self.ckpt("cat", *flags, "m", "h[:, ::4]"), f"{half[:, ::4]}\n", options)

    def test_json_has_the_values(self):
        checkpoints.save(self.dir / "m", {
            "w": tf.constant([[1.5, np.nan], [-np.inf, 0.1]]), "n": tf.constant(-(2**62), tf.int64), "t": tf.constant([b"a", b"\xff"]),
        })
        document = self.ckpt("cat", "--all-tensors", "--format", "json", "m")["tensors"]
        self.assertEqual(document["n"], {"dtype": "int64", "shape": [], "value": -(2**62)})
        self.assertEqual(document["t"]["value"], [{"b64": "YQ=="}, {"b64": "/w=="}])
        got = np.asarray([[float(x) for x in row] for row in document["w"]["value"]], np.float32)
        np.testing.assert_array_equal(got, np.float32([[1.5, np.nan], [-np.inf, 0.1]]))
