"""scan, run, freeze_model, freeze and convert beside saved_model_cli and TensorFlow's loaders."""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import numpy as np

import drivers
import tensorflow as tf
from drivers import flowkeep, saved_model_cli_text
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.tools import saved_model_aot_compile, saved_model_utils

v1 = tf.compat.v1
FIXTURES = drivers.ROOT / "fixtures" / "saved_models"
HALF = FIXTURES / "half_plus_two_tf2"


def sets(text):
    """The text, with each Python set in it replaced by a sorted one."""
    return re.sub(r"\{([^{}]*)\}", lambda m: "{" + ", ".join(sorted(m[1].split(", "))) + "}", text)


def objects(directory, key="serving_default", **inputs):
    """What tf.saved_model.load's signature gives, as lists of values."""
    outputs = tf.saved_model.load(str(directory)).signatures[key](**{k: tf.constant(v) for k, v in inputs.items()})
    return {k: v.numpy() for k, v in outputs.items()}


def session(directory, key="serving_default", tags=("serve",), **inputs):
    """What the signature gives in a session of TensorFlow 1."""
    with tf.Graph().as_default(), v1.Session() as s:
        signature = v1.saved_model.load(s, list(tags), str(directory)).signature_def[key]
        feeds = {signature.inputs[k].name: v for k, v in inputs.items()}
        return s.run({k: t.name for k, t in signature.outputs.items()}, feeds)


def graph_def(path):
    """A binary GraphDef."""
    graph = v1.GraphDef()
    graph.ParseFromString(pathlib.Path(path).read_bytes())
    return graph


def run_graph(graph, fetches, feeds):
    """What a graph gives."""
    with tf.Graph().as_default(), v1.Session() as s:
        tf.import_graph_def(graph, name="")
        return s.run(fetches, feeds)


class Case(unittest.TestCase):
    """A scratch folder, and comparisons."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)

    def done(self, *arguments):
        """Runs a command that must succeed; gives what it prints."""
        status, out, err = flowkeep(*arguments)
        self.assertEqual(status, 0, (arguments, out, err))
        return out

    def same(self, got, want):
        """Equal values by keys."""
        self.assertEqual(set(got), set(want))
        for key, value in want.items():
            self.assertIsNone(drivers.difference(np.asarray(got[key]), np.asarray(value), 1e-5), key)


class Net(tf.Module):
    """Variables, a table with an asset, a branch and a nested function."""

    def __init__(self, vocabulary):
        super().__init__()
        self.w = tf.Variable(np.float32([[1.0, -2.0], [0.5, 3.0]]))
        self.b = tf.Variable([0.25, -0.75])
        self.table = tf.lookup.StaticHashTable(tf.lookup.TextFileInitializer(
            vocabulary, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER), -1)

    @tf.function
    def dense(self, x):
        """A nested call."""
        return tf.matmul(x, self.w) + self.b

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def call(self, x):
        """A branch that calls."""
        return {"y": tf.cond(tf.reduce_sum(x) > 0.0, lambda: self.dense(x), lambda: self.dense(-x)), "total": tf.reduce_sum(self.w)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
    def find(self, words):
        """Ids of words."""
        return {"ids": self.table.lookup(words)}


X = np.float32([[1.0, 2.0], [3.0, -1.0]])
WORDS = np.array([b"two", b"none", b"one"], dtype=object)


class Scan(Case):
    """The text of `scan`, but for the order of sets."""

    def test_the_text_is_that_of_saved_model_cli(self):
        for name, directory, record in drivers.models():
            tags = ",".join(record["sequences"][0]["tags"])
            for arguments in ([], ["--tag_set", tags], ["--op_denylist", "Placeholder,Const, NoOp,"],
                              ["--op_denylist", ""], ["--tag_set", f" {tags} ", "--op_denylist", "Bogus"]):
                with self.subTest(name, arguments=arguments):
                    if drivers.TENSORFLOW < (2, 16) and any(word != word.strip() or ", " in word for word in arguments):
                        self.skipTest("saved_model_cli of TensorFlow 2.15 takes spaces for parts of tags and ops")
                    common = ("--dir", directory, *arguments)
                    self.assertEqual(sets(self.done("scan", *common)), sets(saved_model_cli_text("scan", *common)))

    def hidden(self):
        """A model that writes a file in a branch of a function, and prints in a function of a data set."""
        class Module(tf.Module):
            """One signature."""

            @tf.function(input_signature=[tf.TensorSpec([], tf.float32, name="x")])
            def f(self, x):
                """Writes for positive numbers."""
                def write():
                    tf.io.write_file("/tmp/never-written-by-flowkeep", "x")
                    return x
                return {"y": tf.cond(x > 0.0, write, lambda: -x)}

        module = Module()
        tf.saved_model.save(module, str(self.scratch / "hidden"), signatures=module.f)
        return self.scratch / "hidden"

    def test_branches_are_looked_into(self):
        hidden = self.hidden()
        status, out, err = flowkeep("scan", "--dir", hidden, "--all", "--fail_if_found")
        self.assertEqual(status, 17, err)
        self.assertIn("contains the following denylisted ops: {'WriteFile'}", out)
        self.assertRegex(out, r"WriteFile: node \S+ of function \S+, run by serving_default")
        self.assertIn("does not contain the default denylisted ops", saved_model_cli_text("scan", "--dir", hidden))
        self.assertIn("saved_model_cli does not see WriteFile", err)
        places = json.loads(self.done("scan", "--dir", hidden, "--format", "json"))["meta_graphs"][0]
        self.assertEqual(places["hidden"], ["WriteFile"])
        self.assertEqual(places["places"][0]["run_by"], ["serving_default"])
        status, out, err = flowkeep("run", "--dir", hidden, "--input_exprs", "x=1.0")
        self.assertEqual(status, 17, out)
        self.assertIn("WriteFile", err)
        self.assertIn("--allow_write", err)

    def test_unknown_tags_are_refused_in_the_same_words(self):
        with self.assertRaises(Exception) as caught:
            saved_model_cli_text("scan", "--dir", HALF, "--tag_set", "zz")
        status, _, err = flowkeep("scan", "--dir", HALF, "--tag_set", "zz")
        self.assertEqual((status, err), (15, f"flowkeep: {caught.exception}\n"))


class Files(Case):
    """Models that touch files: as TensorFlow where it is allowed."""

    def model(self):
        """Reads a file of the caller's choice, and writes what it read."""
        class Module(tf.Module):
            """Two signatures."""

            @tf.function(input_signature=[tf.TensorSpec([], tf.string, name="path")])
            def read(self, path):
                """A file's content."""
                return {"content": tf.io.read_file(path)}

            @tf.function(input_signature=[tf.TensorSpec([], tf.string, name="path"), tf.TensorSpec([], tf.string, name="text")])
            def write(self, path, text):
                """Writes and reads again."""
                with tf.control_dependencies([tf.io.write_file(path, text)]):
                    return {"content": tf.io.read_file(path)}

        module = Module()
        directory = self.scratch / "files"
        tf.saved_model.save(module, str(directory), signatures={"read": module.read, "write": module.write})
        return directory

    def test_reading_and_writing_want_leave(self):
        model, secret = self.model(), self.scratch / "secret.txt"
        secret.write_bytes(b"secret\n")
        read = ("run", "--dir", model, "--signature_def", "read", "--input_exprs", f"path='{secret}'")
        status, out, err = flowkeep(*read)
        self.assertEqual((status, out), (17, ""), err)
        self.assertIn("ReadFile", err)
        self.assertIn("Result for output key content:\nb'secret\\n'", self.done(*read, "--allow_read", self.scratch))
        link = model / "link.txt"
        link.symlink_to(secret)
        self.assertEqual(flowkeep("run", "--dir", model, "--signature_def", "read", "--input_exprs", f"path='{link}'")[0], 17)
        own = ("run", "--dir", model, "--signature_def", "read", "--input_exprs", f"path='{model / 'fingerprint.pb'}'")
        self.done(*own)
        new = self.scratch / "out" / "new.txt"
        write = ("run", "--dir", model, "--signature_def", "write", "--input_exprs", f"path='{new}';text='hello'")
        status, _, err = flowkeep(*write)
        self.assertEqual(status, 17, err)
        self.assertFalse(new.exists())
        self.assertEqual(flowkeep(*write, "--allow_write", self.scratch / "elsewhere")[0], 17)
        self.assertFalse(new.exists())
        self.assertIn("b'hello'", self.done(*write, "--allow_write", self.scratch / "out"))
        self.assertEqual(objects(model, "read", path=str(new))["content"], b"hello")

    def test_check_says_what_is_denied(self):
        model = self.model()
        status, out, _ = flowkeep("check", "--dir", model)
        self.assertEqual(status, 17)
        self.assertRegex(out, r"write: not allowed.*\n  WriteFile \(node \S+\), which writes files\n")
        self.assertIn("read: every op can run", out)
        self.assertEqual(flowkeep("check", "--dir", model, "--allow_write", self.scratch)[0], 0)

    def test_assets_and_variables_do_not_leave_the_directory(self):
        model = self.scratch / "lookup"
        vocabulary = self.scratch / "words.txt"
        vocabulary.write_text("one\ntwo\n")
        net = Net(str(vocabulary))
        tf.saved_model.save(net, str(model), signatures={"find": net.find})
        self.assertIn("[1]", self.done("run", "--dir", model, "--signature_def", "find", "--input_exprs", "words=['two']"))
        message = saved_model_pb2.SavedModel()
        message.ParseFromString((model / "saved_model.pb").read_bytes())
        message.meta_graphs[0].asset_file_def[0].filename = "../../words.txt"
        (model / "saved_model.pb").write_bytes(message.SerializeToString())
        status, _, err = flowkeep("run", "--dir", model, "--signature_def", "find", "--input_exprs", "words=['two']")
        self.assertNotEqual(status, 0)
        self.assertIn("leads out of the assets directory", err)


class Run(Case):
    """Flags of `run` beyond those of saved_model_cli."""

    def test_a_trace_shows_every_node(self):
        trace = self.scratch / "trace.json"
        self.done("run", "--dir", FIXTURES / "mnist_cnn", "--random", "--trace", trace)
        events = json.loads(trace.read_text())["traceEvents"]
        spans = [e for e in events if e["ph"] == "X"]
        self.assertIn("Conv2D", {e["cat"] for e in spans})
        self.assertTrue(all(e["dur"] >= 0 and e["ts"] >= 0 for e in spans))

    def test_csv_and_json_examples_are_inputs(self):
        csv = self.scratch / "x.csv"
        csv.write_text("value,other\n1,10\n2.5,20\n")
        out = self.done("run", "--dir", HALF, "--inputs", f"x={csv}[value]")
        self.assertEqual(out, "Result for output key y:\n[[2.5 ]\n [3.25]]\n")
        examples = self.scratch / "examples.json"
        examples.write_text('[{"x": 2.0, "x2": [1.0]}, {"x": [-4.0]}]')
        common = ("run", "--dir", FIXTURES / "half_plus_two_ref", "--tag_set", "serve", "--signature_def", "regress_x_to_y")
        want = saved_model_cli_text(*common, "--input_examples", "inputs=[{'x': [2.0], 'x2': [1.0]}, {'x': [-4.0]}]")
        self.assertEqual(self.done(*common, "--inputs", f"inputs={examples}"), want)

    def test_limits_stop_a_run(self):
        status, _, err = flowkeep("run", "--dir", FIXTURES / "mnist_cnn", "--random", "--timeout", "0")
        self.assertEqual(status, 14, err)
        status, _, err = flowkeep("run", "--dir", FIXTURES / "mnist_cnn", "--random", "--max_output_bytes", "3")
        self.assertEqual(status, 18, err)
        status, _, err = flowkeep("run", "--dir", FIXTURES / "mnist_cnn", "--random", "--max_live_bytes", "10000")
        self.assertEqual(status, 18, err)

    def test_what_is_elsewhere_is_refused(self):
        for flag in ("--tf_debug", "--init_tpu", "--worker=grpc://x"):
            status, _, err = flowkeep("run", "--dir", HALF, "--input_exprs", "x=[[1]]", flag)
            self.assertEqual(status, 22, err)
        self.done("run", "--dir", HALF, "--input_exprs", "x=[[1]]", "--use_tfrt", "--notf_debug")

    def test_bench_and_explain_give_json(self):
        measured = json.loads(self.done("bench", "--dir", HALF, "--runs", "20", "--warmup", "1", "--callers", "2", "--format", "json"))
        self.assertEqual(measured["runs"], 20)
        self.assertLessEqual(measured["latency_ms"]["p50"], measured["latency_ms"]["max"])
        explained = json.loads(self.done("explain", "--dir", HALF, "--format", "json"))
        self.assertTrue(explained["tensorflow_version"])
        words = self.scratch / "call.sh"
        words.write_text(explained["how"]["shell"].replace("flowkeep ", f"{os.environ['FLOWKEEP']} ", 1))
        done = subprocess.run(["sh", str(words)], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Result for output key y:", done.stdout)


class Convert(Case):
    """What is written loads through both loaders with equal numbers."""

    def both(self, directory, want, key="serving_default", **inputs):
        """Both of TensorFlow's loaders and flowkeep give what is wanted."""
        self.same(session(directory, key, **inputs), want)
        with self.subTest("objects"):
            self.same(objects(directory, key, **inputs), want)
        folder = self.scratch / f"in{len(list(self.scratch.iterdir()))}"
        folder.mkdir()
        files = ";".join(f"{k}={drivers.write_input(folder, k, v)}" for k, v in inputs.items())
        self.done("run", "--dir", directory, "--signature_def", key, "--inputs", files, "--outdir", folder / "out")
        self.same({k: drivers.read_output(folder / "out", k) for k in want}, want)

    def net(self):
        """A model of TensorFlow 2."""
        vocabulary = self.scratch / "words.txt"
        vocabulary.write_text("one\ntwo\n")
        net = Net(str(vocabulary))
        tf.saved_model.save(net, str(self.scratch / "net"), signatures={"serving_default": net.call, "find": net.find})
        return self.scratch / "net"

    def train(self, use_resource):
        """A MetaGraph with its checkpoint, a table among it; and what it computes."""
        vocabulary = self.scratch / "vocab.txt"
        vocabulary.write_text("one\ntwo\n")
        with tf.Graph().as_default() as graph, v1.Session() as s:
            x = v1.placeholder(tf.float32, [None, 2], name="x")
            words = v1.placeholder(tf.string, [None], name="words")
            with v1.variable_scope("net", use_resource=use_resource):
                w = v1.get_variable("w", initializer=np.float32([[1.5, -1.0], [2.0, 0.25]]))
                b = v1.get_variable("b", initializer=np.float32([0.5, 0.125]))
            y = tf.nn.relu(tf.matmul(x, w) + b, name="y")
            table = v1.lookup.StaticHashTable(tf.lookup.TextFileInitializer(
                str(vocabulary), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER), -1)
            v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, graph.get_tensor_by_name(
                next(n.name for n in graph.get_operations() if n.type == "Const" and n.outputs[0].dtype == tf.string) + ":0"))
            ids = tf.identity(table.lookup(words), name="ids")
            s.run([v1.global_variables_initializer(), v1.tables_initializer()])
            prefix = v1.train.Saver().save(s, str(self.scratch / "model.ckpt"), global_step=7)
            want = s.run({"scores": y, "ids": ids}, {x: X, words: WORDS})
        return prefix, want

    def test_a_meta_graph_and_its_checkpoint_become_a_model(self):
        for use_resource in (False, True):
            with self.subTest(use_resource=use_resource):
                prefix, want = self.train(use_resource)
                out = self.scratch / f"built{use_resource}"
                text = self.done("convert", f"{prefix}.meta", out, "--inputs", "image=x:0,words=words", "--outputs", "scores=y:0,ids=ids")
                self.assertIn("signature serving_default (tensorflow/serving/predict)", text)
                self.both(out, want, image=X, words=WORDS)
                self.assertEqual([p.name for p in (out / "assets").iterdir()], ["vocab.txt"])
                frozen = self.scratch / f"frozen{use_resource}"
                self.done("convert", f"{prefix}.meta", frozen, "--freeze", "--signature", "k", "--inputs", "image=x:0", "--outputs", "scores=y:0")
                self.both(frozen, {"scores": want["scores"]}, key="k", image=X)

    def test_a_graph_becomes_a_model_and_is_guessed(self):
        with tf.Graph().as_default() as graph:
            a = v1.placeholder(tf.float32, [None, 2], name="in/a")
            tf.nn.softmax(tf.matmul(a, np.float32([[1, 2], [3, 4]])), name="net/scores")
        path = self.scratch / "graph.pb"
        path.write_bytes(graph.as_graph_def().SerializeToString())
        want = run_graph(graph.as_graph_def(), {"scores": "net/scores:0"}, {"in/a:0": X})
        text = self.done("convert", path, self.scratch / "guessed")
        self.assertIn("(tensorflow/serving/predict, guessed)", text)
        self.assertIn("<- a: in/a:0 float32 [?,2]", text)
        self.both(self.scratch / "guessed", want, a=X)
        status, _, err = flowkeep("convert", path, self.scratch / "guessed")
        self.assertEqual(status, 16, err)
        self.done("convert", path, self.scratch / "guessed", "--overwrite", "--signature", "other", "--inputs", "b=in/a:0", "--outputs",
                  "s=net/scores:0")
        self.both(self.scratch / "guessed", {"s": want["scores"]}, key="other", b=X)

    def test_functions_are_flattened_and_variables_kept_or_frozen(self):
        net = self.net()
        calls = [("serving_default", {"x": X}), ("serving_default", {"x": -2 * X}), ("find", {"words": WORDS})]
        wants = [session(net, key, **inputs) for key, inputs in calls]
        for name, flags in [("kept", []), ("frozen", ["--freeze"])]:
            with self.subTest(name):
                out = self.scratch / name
                self.done("convert", net, out, *flags)
                self.assertEqual((out / "variables").exists(), name == "kept")
                for (key, inputs), want in zip(calls, wants):
                    self.both(out, want, key=key, **inputs)
        one = self.scratch / "one"
        self.done("convert", net, one, "--signature", "serving_default", "--new-tags", "serve,flat")
        self.same(session(one, tags=["serve", "flat"], x=X), wants[0])
        self.assertEqual(list(tf.saved_model.load(str(one)).signatures), ["serving_default"])

    def test_committed_models_are_flattened(self):
        for name in ("keras_cnn_tf2", "keras2_cnn", "mnist_cnn", "half_plus_two_tf2"):
            model = FIXTURES / name
            record = json.loads((FIXTURES / f"{name}.cases.json").read_text(encoding="utf-8"))
            for flags in ([], ["--freeze"]):
                out = self.scratch / f"{name}{len(flags)}"
                with self.subTest(name, flags=flags):
                    done = self.done("convert", model, out, *flags)
                    # Its restore op assigns nodes that no signature reads: the flat model has another.
                    self.assertEqual("restored as objects are" in done, name == "keras_cnn_tf2" and not flags)
                    for call in record["sequences"][0]["calls"]:
                        if "outputs" in call and call["inputs"]:
                            inputs = {k: drivers.cases.decode(v) for k, v in call["inputs"].items()}
                            self.both(out, {k: drivers.cases.decode(v) for k, v in call["outputs"].items()}, key=call["signature"], **inputs)

    def test_effects_of_calls_take_place_in_a_flat_model(self):
        flat = self.scratch / "counter"
        self.done("convert", FIXTURES / "counter_tf2", flat)
        record = json.loads((FIXTURES / "counter_tf2.cases.json").read_text(encoding="utf-8"))
        for sequence in record["sequences"]:
            run, closing = drivers.tensorflow_runner(flat, sequence)
            with closing, self.subTest(sequence["name"]):
                for call in sequence["calls"]:
                    inputs = {k: drivers.cases.decode(v) for k, v in call["inputs"].items()}
                    self.same(run(call["signature"], inputs), {k: drivers.cases.decode(v) for k, v in call["outputs"].items()})

    def test_a_frozen_graph_has_the_numbers_of_the_model(self):
        net = self.net()
        text = self.done("freeze", net, self.scratch / "net.pb")
        names = dict(re.findall(r"^(?:input|output) (\w+): (\S+)$", text, re.M))
        graph = graph_def(self.scratch / "net.pb")
        self.assertFalse({"VarHandleOp", "StatefulPartitionedCall", "PartitionedCall"} & {n.op for n in graph.node})
        got = run_graph(graph, {"y": names["y"], "total": names["total"]}, {names["x"]: X})
        self.same(got, session(net, x=X))
        for use_resource in (False, True):
            prefix, want = self.train(use_resource)
            self.done("freeze", f"{prefix}.meta", self.scratch / "f.pb", "--checkpoint", prefix, "--output_node_names", "y", "--overwrite")
            self.same({"scores": run_graph(graph_def(self.scratch / "f.pb"), "y:0", {"x:0": X})}, {"scores": want["scores"]})

    def test_tensorrt_is_refused_in_the_same_words(self):
        common = ("--dir", HALF, "--output_dir", self.scratch / "rt", "--tag_set", "serve")
        status, out, err = flowkeep("convert", *common, "tensorrt")
        self.assertEqual((status, out), (22, ""))
        says = 'Tensorflow has not been built with TensorRT support.. Try passing "--convert_tf1_model=True".'
        self.assertEqual(err, f"flowkeep: {says}\n")


class FreezeModel(Case):
    """The files of saved_model_cli freeze_model."""

    def model(self, shape=(1, 2)):
        """One variable, one matrix product."""
        class Module(tf.Module):
            """A signature of known shapes."""

            def __init__(self):
                super().__init__()
                self.v = tf.Variable(np.float32([[1, 2], [3, 4]]), name="v")

            @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="x")])
            def f(self, x):
                """A product."""
                return {"y": tf.matmul(x, self.v)}

        module = Module()
        directory = self.scratch / f"m{shape}"
        tf.saved_model.save(module, str(directory), signatures=module.f)
        return directory

    def theirs(self, model, out, feed):
        """What TensorFlow writes, or its error."""
        saved_model_aot_compile.freeze_model(
            checkpoint_path=str(model / "variables" / "variables"), meta_graph_def=saved_model_utils.get_meta_graph_def(str(model), "serve"),
            output_prefix=str(out), signature_def_key="serving_default", variables_to_feed=None if feed == "all" else [])

    def test_the_configuration_is_that_of_saved_model_cli(self):
        model = self.model()
        for feed in ("", "all"):
            with self.subTest(feed):
                ours, theirs = self.scratch / f"ours{feed}", self.scratch / f"theirs{feed}"
                self.assertEqual(self.done("freeze_model", "--dir", model, "--tag_set", "serve", "--output_prefix", ours,
                                           "--variables_to_feed", feed), "")
                self.theirs(model, theirs, feed)
                self.assertEqual((ours / "config.pbtxt").read_text(), (theirs / "config.pbtxt").read_text())
                self.assertEqual(graph_def(ours / "original_graph.pb"), graph_def(theirs / "original_graph.pb"))
                if not feed:
                    results = [run_graph(graph_def(out / "frozen_graph.pb"), "StatefulPartitionedCall:0", {"serving_default_x:0": X[:1]})
                               for out in (ours, theirs)]
                    self.assertEqual(*(r.tolist() for r in results))
                else:
                    self.assertIn("VarHandleOp", {n.op for n in graph_def(ours / "frozen_graph.pb").node})

    def test_errors_are_those_of_saved_model_cli(self):
        model = self.model((None, 2))
        with self.assertRaises(ValueError) as caught:
            self.theirs(model, self.scratch / "t", "")
        common = ("freeze_model", "--dir", model, "--tag_set", "serve", "--output_prefix", self.scratch / "o")
        status, _, err = flowkeep(*common)
        self.assertEqual((status, err), (13, f"flowkeep: {caught.exception}\n"))
        self.assertTrue((self.scratch / "o" / "original_graph.pb").exists())
        status, _, err = flowkeep(*common, "--signature_def_key", "nope")
        self.assertIn("Unable to find signature_def_key 'nope' in signature def map of `meta_graph_def`. Available keys: [", err)
        common = ("freeze_model", "--dir", self.model(), "--tag_set", "serve", "--output_prefix", self.scratch / "o")
        status, _, err = flowkeep(*common, "--variables_to_feed", "nope")
        self.assertEqual(err, "flowkeep: Asked to feed variables that were not found in graph: {'nope'}. Variables contained in the graph: ['v']\n")


if __name__ == "__main__":
    unittest.main()
