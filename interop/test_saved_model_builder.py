"""SavedModels that are built here load in TensorFlow, by each of its loaders, and give equal numbers."""
import pathlib
import subprocess
import tempfile
import unittest

import drivers
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import fingerprint_pb2
from tensorflow.python.saved_model import loader_impl
from tensorflow.python.saved_model.pywrap_saved_model import fingerprinting

v1 = tf.compat.v1
X = np.float32([1, 4, -2])
LINES = ["text", "resource", "ref", "stripped"]
KINDS = [*LINES, "ref_output", "no_variables", "table", "sparse", "ragged", "examples"]
HASHES = ["saved_model_checksum", "graph_def_program_hash", "signature_def_hash", "saved_object_graph_hash", "checkpoint_hash"]


def example(name, *arguments):
    """Runs an example of the crate; returns what it prints."""
    command = [drivers.example(name), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, timeout=300).stdout.decode()


def serialized(*numbers):
    """Examples with these numbers as feature `x`."""
    feature = lambda x: tf.train.Feature(float_list=tf.train.FloatList(value=[x]))  # noqa: E731
    features = [tf.train.Features(feature={"x": feature(x)}) for x in numbers]
    return [tf.train.Example(features=f).SerializeToString() for f in features]


class Building(unittest.TestCase):
    """What the builder writes."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.dir = pathlib.Path(folder.name)
        for kind in KINDS:
            example("builder_cases", kind, cls.dir / kind)
        # The file is read from the model.
        (cls.dir / "table.words.txt").unlink()

    def path(self, kind):
        return str(self.dir / kind)

    def run_v1(self, path, tags, key, inputs):
        """Loads as TensorFlow 1 does, and runs a signature."""
        with v1.Session(graph=tf.Graph()) as session:
            signature = v1.saved_model.load(session, tags, path).signature_def[key]
            feeds, fetches = {}, {}
            for name, value in inputs.items():
                tensor = v1.saved_model.get_tensor_from_tensor_info(signature.inputs[name])
                feeds[tensor] = value
            for name, info in signature.outputs.items():
                fetches[name] = v1.saved_model.get_tensor_from_tensor_info(info)
            return session.run(fetches, feeds)

    def test_lines_are_loaded_by_both_loaders(self):
        for kind in LINES:
            with self.subTest(kind=kind):
                outputs = self.run_v1(self.path(kind), ["serve"], "serving_default", {"x": X})
                np.testing.assert_array_equal(outputs["y"], X * 0.5 + 2)
                loaded = tf.saved_model.load(self.path(kind))
                outputs = loaded.signatures["serving_default"](x=tf.constant(X))
                np.testing.assert_array_equal(outputs["y"], X * 0.5 + 2)

    def test_a_signature_gives_a_reference_and_has_a_default(self):
        path = self.path("ref_output")
        outputs = self.run_v1(path, ["serve"], "with_variable", {})
        np.testing.assert_array_equal(outputs["a"], 0.5)
        np.testing.assert_array_equal(outputs["y"], [3.5])
        signature = loader_impl.parse_saved_model(path).meta_graphs[0].signature_def["with_variable"]
        np.testing.assert_array_equal(tf.make_ndarray(signature.defaults["x"]), [7])
        self.assertEqual(signature.outputs["a"].dtype, 101)

    def test_default_attributes_and_devices_are_stripped(self):
        nodes = {}
        for kind in ["resource", "stripped"]:
            meta_graph = loader_impl.parse_saved_model(self.path(kind)).meta_graphs[0]
            self.assertEqual(meta_graph.meta_info_def.stripped_default_attrs, kind == "stripped")
            nodes[kind] = {node.name: node for node in meta_graph.graph_def.node}
        self.assertEqual(nodes["resource"]["x"].device, "/device:CPU:0")
        self.assertEqual(nodes["stripped"]["x"].device, "")
        self.assertIn("container", nodes["resource"]["a"].attr)
        self.assertNotIn("container", nodes["stripped"]["a"].attr)

    def test_a_model_without_variables(self):
        outputs = self.run_v1(self.path("no_variables"), ["serve"], "serving_default", {"x": X})
        np.testing.assert_array_equal(outputs["y"], X * 3)
        loaded = tf.saved_model.load(self.path("no_variables"))
        np.testing.assert_array_equal(loaded.signatures["serving_default"](x=tf.constant(X))["y"], X * 3)

    def test_a_table_is_filled_from_its_asset(self):
        words = [b"two", b"?", b"one"]
        outputs = self.run_v1(self.path("table"), ["serve"], "serving_default", {"words": words})
        np.testing.assert_array_equal(outputs["ids"], [1, -1, 0])
        loaded = tf.saved_model.load(self.path("table"))
        np.testing.assert_array_equal(loaded.signatures["serving_default"](words=tf.constant(words))["ids"], [1, -1, 0])

    def test_a_sparse_tensor_is_taken_and_given(self):
        x = v1.SparseTensorValue([[0, 1], [2, 0]], np.float32([3, 4]), [3, 2])
        outputs = self.run_v1(self.path("sparse"), ["serve"], "serving_default", {"x": x})
        np.testing.assert_array_equal(outputs["y"].values, [6, 8])
        np.testing.assert_array_equal(outputs["y"].indices, x.indices)
        self.assertEqual(outputs["sum"], 7)
        signature = tf.saved_model.load(self.path("sparse")).signatures["serving_default"]
        outputs = signature(x_indices=tf.constant(x.indices, tf.int64), x_values=tf.constant(x.values),
                            x_dense_shape=tf.constant(x.dense_shape, tf.int64))
        np.testing.assert_array_equal(tf.sparse.to_dense(outputs["y"]), [[0, 6], [0, 0], [8, 0]])

    def test_a_ragged_tensor_is_taken_and_given(self):
        x = v1.ragged.constant_value([[1.0, 2.0], [], [3.0]], dtype=np.float32)
        outputs = self.run_v1(self.path("ragged"), ["serve"], "serving_default", {"x": x})
        self.assertEqual(outputs["y"].to_list(), [[2, 4], [], [6]])
        self.assertEqual(outputs["sum"], 6)
        signature = tf.saved_model.load(self.path("ragged")).signatures["serving_default"]
        components = {"x_component_0": x.flat_values, "x_component_1": x.row_splits}
        self.assertEqual(set(signature.structured_input_signature[1]), set(components))
        outputs = signature(**{key: tf.constant(value) for key, value in components.items()})
        self.assertEqual(outputs["y"].to_list(), [[2, 4], [], [6]])

    def test_ragged_signatures_are_described_as_tensorflow_describes_them(self):
        stored = loader_impl.parse_saved_model(self.path("ragged")).meta_graphs[0]
        stored = stored.signature_def["serving_default"].inputs["x"]
        with tf.Graph().as_default():
            values = v1.placeholder(tf.float32, [None], name="flat_values")
            splits = v1.placeholder(tf.int64, [None], name="row_splits")
            ragged = tf.RaggedTensor.from_row_splits(values, splits, validate=False)
            self.assertEqual(stored, v1.saved_model.build_tensor_info(ragged))

    def test_examples_are_classified_and_get_numbers(self):
        x = np.float32([-1, 2])
        scores = 1 / (1 + np.exp(-x))
        run = lambda key: self.run_v1(self.path("examples"), ["serve"], key, {"inputs": serialized(*x)})  # noqa: E731
        outputs = run("classify")
        np.testing.assert_allclose(outputs["scores"], scores, rtol=1e-6)
        self.assertEqual(outputs["classes"].tolist(), [b"no", b"yes"])
        np.testing.assert_allclose(run("regress")["outputs"], scores, rtol=1e-6)
        signatures = loader_impl.parse_saved_model(self.path("examples")).meta_graphs[0].signature_def
        for key, signature in signatures.items():
            self.assertTrue(v1.saved_model.is_valid_signature(signature), key)

    def test_fingerprints_are_read_and_are_what_tensorflow_computes(self):
        for kind in KINDS:
            if kind == "text":
                self.assertFalse((self.dir / kind / "fingerprint.pb").exists())
                continue
            with self.subTest(kind=kind):
                read = tf.saved_model.experimental.read_fingerprint(self.path(kind))
                proto = fingerprinting.CreateFingerprintDef(self.path(kind))
                computed = tf.saved_model.experimental.Fingerprint.from_proto(
                    fingerprint_pb2.FingerprintDef.FromString(proto))
                for name in HASHES:
                    self.assertEqual(getattr(read, name), getattr(computed, name), name)
                self.assertEqual(read.singleprint(), computed.singleprint())

    def test_saved_model_cli_shows_and_runs(self):
        shown = drivers.saved_model_cli_text("show", "--dir", self.path("resource"), "--all")
        self.assertIn("signature_def['serving_default']", shown)
        shown = drivers.saved_model_cli_text("run", "--dir", self.path("ref"), "--tag_set", "serve", "--signature_def",
                                             "serving_default", "--input_exprs", "x=[1.0, 4.0]")
        self.assertIn("[2.5 4. ]", shown)

    def test_two_graphs_share_variables_and_a_file(self):
        path, words = str(self.dir / "shared"), self.dir / "vocabulary.txt"
        words.write_text("a\nb\nc\n")
        example("train_and_serve", "save", path, words)
        self.assertEqual(example("train_and_serve", "train", path, "b", 4), "loss : [16.0]\nloss : [4.0]\nloss : [1.0]\n")
        words.unlink()
        outputs = self.run_v1(path, ["serve"], "serving_default", {"words": [b"a", b"?"]})
        np.testing.assert_array_equal(outputs["scores"], [0, 0])
        with v1.Session(graph=tf.Graph()) as session:
            meta_graph = v1.saved_model.load(session, ["train"], path)
            train = meta_graph.collection_def["saved_model_train_op"].node_list.value[0]
            feeds = {"words:0": [b"b"], "targets:0": [4]}
            losses = [session.run(["loss:0", train], feeds)[0] for _ in range(3)]
        self.assertEqual(losses, [16, 4, 1])
        loaded = tf.saved_model.load(path, tags=["serve"])
        np.testing.assert_array_equal(loaded.signatures["serving_default"](words=tf.constant([b"c"]))["scores"], [0])

    def test_the_programs_of_the_tutorials(self):
        path, simple = str(self.dir / "tutorial"), str(self.dir / "simple")
        example("serving_tutorial", "save", path)
        self.assertEqual(example("serving_tutorial", "run", path, 0.5, 1), "y:0 : [3.5, 6.5]\n")
        inputs = {"input_x": np.float32([0.5, 1]), "keep_prob": np.float32(1)}
        outputs = self.run_v1(path, ["test_saved_model"], "test_signature", inputs)
        np.testing.assert_array_equal(outputs["output"], [3.5, 6.5])
        example("serving_tutorial", "simple_save", simple, "ref")
        outputs = self.run_v1(simple, ["serve"], "serving_default", {"x": np.float32([1])})
        np.testing.assert_array_equal(outputs["y"], [6.5])

    def test_an_export_of_heads_parses_examples(self):
        base, notes = self.dir / "exports", self.dir / "notes.txt"
        notes.write_text("text")
        path = example("estimator_export", base, notes).strip()
        self.assertEqual([p.name for p in base.iterdir() if p.name.isdigit()], [pathlib.Path(path).name])
        self.assertEqual((pathlib.Path(path) / "assets.extra/notes/readme.txt").read_text(), "text")
        x = np.float32([[1, 2], [3, -1]])
        feature = lambda row: tf.train.Feature(float_list=tf.train.FloatList(value=row))  # noqa: E731
        examples = [tf.train.Example(features=tf.train.Features(feature={"x": feature(row)})) for row in x]
        examples = [e.SerializeToString() for e in examples]
        logits = x @ np.float32([[1], [-2]]) + np.float32(0.25)
        scores = 1 / (1 + np.exp(-logits))
        scores = np.concatenate([1 - scores, scores], axis=1)
        run = lambda key, name: self.run_v1(path, ["serve"], key, {name: examples})  # noqa: E731
        for key in ["serving_default", "classification"]:
            np.testing.assert_allclose(run(key, "inputs")["scores"], scores, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(run("regression", "inputs")["outputs"], logits[:, 0], rtol=1e-6)
        np.testing.assert_allclose(run("predict", "examples")["logits"], logits, rtol=1e-6)
        loaded = tf.saved_model.load(path).signatures["predict"]
        np.testing.assert_allclose(loaded(examples=tf.constant(examples))["scores"], scores, rtol=1e-5, atol=1e-7)
        status, out, err = drivers.flowkeep("show", "--dir", path, "--all")
        self.assertEqual((status, err), (0, ""))
        self.assertIn("tensorflow/serving/classify", out)

    def test_features_are_read_by_the_nodes_that_tensorflow_adds(self):
        path = example("estimator_export", self.dir / "exports").strip()
        nodes = loader_impl.parse_saved_model(path).meta_graphs[0].graph_def.node
        with tf.Graph().as_default() as graph:
            serialized = v1.placeholder(tf.string, [None], name="input_example_tensor")
            tf.io.parse_example(serialized, {"x": tf.io.FixedLenFeature([2], tf.float32), "words": tf.io.VarLenFeature(tf.string),
                                             "bias": tf.io.FixedLenFeature([1], tf.float32, [0.25])})
            expected = v1.train.export_meta_graph(graph=graph, strip_default_attrs=True).graph_def.node
        self.assertEqual(list(nodes)[:len(expected)], list(expected))

    def test_a_session_of_tensorflow_is_not_told_apart_by_the_files(self):
        # What TensorFlow's builder writes has the same files and the same signatures.
        path = str(self.dir / "peer")
        with v1.Session(graph=tf.Graph()) as session:
            x = v1.placeholder(tf.float32, [None], name="x")
            a = v1.get_variable("a", initializer=0.5, use_resource=True)
            b = v1.get_variable("b", initializer=2.0, use_resource=True)
            y = tf.add(a * x, b, name="y")
            session.run(v1.global_variables_initializer())
            v1.saved_model.simple_save(session, path, {"x": x}, {"y": y})
        names = lambda folder: sorted(str(p.relative_to(folder)) for p in pathlib.Path(folder).rglob("*"))  # noqa: E731
        ours = [name for name in names(self.path("resource")) if name != "fingerprint.pb"]
        self.assertEqual(ours, names(path))
        peer, here = [loader_impl.parse_saved_model(p).meta_graphs[0] for p in (path, self.path("resource"))]
        self.assertEqual(peer.signature_def, here.signature_def)
        self.assertEqual(peer.saver_def, here.saver_def)
        self.assertEqual(set(peer.collection_def) - {"unbound_inputs"}, set(here.collection_def) - {"unbound_inputs"})
        for name in ["variables.index", "variables.data-00000-of-00001"]:
            here, there = [(pathlib.Path(p) / "variables" / name).read_bytes() for p in (self.path("resource"), path)]
            self.assertEqual(here, there, name)


if __name__ == "__main__":
    unittest.main()
