"""Models in the form of TensorFlow 1: as objects, frozen by the flags of freeze_graph, with several MetaGraphs, damaged."""
import contextlib
import io
import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import drivers
import numpy as np
import tensorflow as tf
from drivers import ROOT, flowkeep
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.tools import freeze_graph

from generators import object_models
from generators.object_models import f32

v1 = tf.compat.v1
FIXTURES = ROOT / "fixtures"
X = np.float32([[1, -2], [0.5, 3]])


def call_objects(directory, steps, **options):
    """What flowkeep gives for all steps, or the error of loading."""
    request = json.dumps({"model": str(directory), "steps": steps, **options})
    done = subprocess.run([drivers.example("call_objects")], input=request.encode(), capture_output=True, check=True, timeout=120)
    return json.loads(done.stdout)


def run_graph(graph, fetches, feeds):
    """The values of tensors of a graph without variables."""
    with tf.Graph().as_default(), v1.Session() as session:
        tf.import_graph_def(graph, name="")
        return session.run(fetches, feeds)


def graph_def(path):
    return v1.GraphDef.FromString(pathlib.Path(path).read_bytes())


class Case(unittest.TestCase):
    """A scratch folder, and runs that succeed."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = pathlib.Path(folder.name)

    def done(self, *arguments):
        status, out, err = flowkeep(*arguments)
        self.assertEqual(status, 0, f"{arguments}: {out}{err}")
        return out


class Objects(Case):
    """tf.saved_model.load of models of TensorFlow 1."""

    def test_committed_models_give_what_tensorflow_gives_now(self):
        for name in object_models.V1_MODELS:
            directory = FIXTURES / "object_models" / name
            steps = json.loads((FIXTURES / "object_models" / f"{name}.steps.json").read_text(encoding="utf-8"))["steps"]
            with self.subTest(name):
                self.assertEqual(call_objects(directory, steps), object_models.run(directory, steps))

    def test_signatures_of_classic_models(self):
        x = f32([[1], [3], [-2.5]])
        steps = [{"signature": "serving_default", "kwargs": {"x": x}}, {"signature": "regress_x2_to_y3", "kwargs": {"inputs": x}}]
        for name in ("half_plus_two_ref", "half_plus_two_resource", "half_plus_two_pbtxt"):
            directory = FIXTURES / "saved_models" / name
            with self.subTest(name):
                self.assertEqual(call_objects(directory, steps), object_models.run(directory, steps))
        directory = FIXTURES / "saved_models" / "multi_tag"
        for tags in (["serve"], ["serve", "gpu"], ["gpu"], ["nope", "x"], []):
            with self.subTest(tags):
                try:
                    want = object_models.run(directory, steps[:1], tags=tags or None)
                except (ValueError, RuntimeError) as error:
                    want = {"error": str(error)}
                got = call_objects(directory, steps[:1], tags=tags)
                if "error" in want:
                    # Tags of a set are in no order.
                    self.assertEqual(sorted(got["error"]), sorted(want["error"]))
                else:
                    self.assertEqual(got, want)

    def test_random_graphs(self):
        for seed in range(12):
            random = np.random.default_rng(seed)
            directory = self.scratch / str(seed)
            steps = self.random_model(random, directory)
            with self.subTest(seed):
                self.assertEqual(call_objects(directory, steps), object_models.run(directory, steps))

    def random_model(self, random, directory):
        """A chain of sums and products with variables of either kind, some of which signatures change."""
        is_resource = bool(random.integers(2))
        signatures, steps = {}, []

        def make(v1):
            x = v1.placeholder(tf.int64, [None], name="x")
            y, updates = x, []
            for idx in range(int(random.integers(1, 5))):
                v = v1.get_variable(f"v{idx}", initializer=tf.constant(int(random.integers(-5, 6)), tf.int64), trainable=bool(random.integers(2)),
                                    collections=[["local_variables"], ["variables", "trainable_variables"]][random.integers(2)])
                y = [tf.add, tf.multiply][random.integers(2)](y, v)
                if random.integers(2):
                    updates.append(tf.identity(v1.assign_add(v, 1), name=f"update{idx}"))
            signatures["serving_default"] = ({"x": x}, {"y": tf.identity(y, name="y")})
            for idx, update in enumerate(updates):
                signatures[f"update{idx}"] = ({}, {"v": update})
            return signatures, {}

        object_models._write_v1(directory, make, is_resource)
        x = object_models.tensor(random.integers(-9, 10, 3), np.int64)
        for _ in range(8):
            key = list(signatures)[random.integers(len(signatures))]
            steps.append({"signature": key, "kwargs": {"x": x} if key == "serving_default" else {}})
        return steps + [{"prune": ["x:0"], "fetch": ["y:0", "x:0"], "args": [x]}]


class Freeze(Case):
    """The command lines of freeze_graph."""

    def train(self, resource):
        """A net whose initializer and whose step change it; its files, and what it gives."""
        use = v1.enable_resource_variables if resource else v1.disable_resource_variables
        use()
        self.addCleanup(v1.enable_resource_variables)
        prefix = self.scratch / f"net{resource}.ckpt-1"
        with tf.Graph().as_default() as graph, v1.Session() as session:
            x = v1.placeholder(tf.float32, [None, 2], name="x")
            w = v1.get_variable("w", initializer=np.float32([[1, 2], [3, 4]]))
            b = v1.get_variable("b", initializer=np.float32([1, -1]), trainable=False)
            tf.nn.softmax(tf.matmul(x, w) + b, name="y")
            v1.assign(w, 2 * w, name="double")
            tf.group(v1.assign_add(b, [10.0, 0.0]), name="shift")
            session.run(v1.global_variables_initializer())
            saver = v1.train.Saver()
            saver.save(session, str(prefix), write_state=False)
            (self.scratch / "saver.pbtxt").write_text(str(saver.as_saver_def()))
            (self.scratch / "graph.pbtxt").write_text(str(graph.as_graph_def()))
            (self.scratch / "graph.pb").write_bytes(graph.as_graph_def().SerializeToString())
        return prefix

    def theirs(self, prefix, out, **flags):
        """What freeze_graph writes."""
        arguments = {"input_graph": "", "input_saver": "", "input_binary": False, "restore_op_name": "", "filename_tensor_name": "",
                     "clear_devices": True, "initializer_nodes": "", "output_node_names": "y"} | flags
        # It imports into the default graph, and says which file it read.
        with tf.Graph().as_default(), contextlib.redirect_stdout(io.StringIO()):
            freeze_graph.freeze_graph(input_checkpoint=str(prefix), output_graph=str(out), **arguments)
        return graph_def(out)

    def test_the_command_lines_of_freeze_graph_are_understood(self):
        for resource in (False, True):
            prefix = self.train(resource)
            meta = {"input_meta_graph": f"{prefix}.meta", "input_binary": True}
            graph, saver = {"input_graph": str(self.scratch / "graph.pbtxt")}, {"input_saver": str(self.scratch / "saver.pbtxt")}
            binary = {"input_graph": str(self.scratch / "graph.pb"), "input_binary": True}
            cases = [meta, meta | {"initializer_nodes": "double"}, meta | {"initializer_nodes": "double, shift"},
                     meta | {"clear_devices": False}, meta | {"variable_names_denylist": "nothing"}]
            if not resource:  # Of resource variables TensorFlow wants a MetaGraph.
                cases += [graph, binary, graph | saver, graph | {"initializer_nodes": "shift", "checkpoint_version": 2}]
            for idx, flags in enumerate(cases):
                with self.subTest(resource=resource, **flags):
                    want = self.theirs(prefix, self.scratch / "theirs.pb", **flags)
                    out = self.scratch / f"ours{resource}{idx}.pb"
                    words = [f"--{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in flags.items()]
                    self.done("freeze", "--input_checkpoint", prefix, "--output_graph", out, "--output_node_names=y", *words)
                    got = graph_def(out)
                    a, b = (run_graph(graph, "y:0", {"x:0": X}) for graph in (got, want))
                    np.testing.assert_allclose(a, b, rtol=1e-6)
                    self.assertFalse({"VariableV2", "VarHandleOp"} & {node.op for node in got.node})

    def test_errors_are_those_of_freeze_graph(self):
        prefix = self.train(False)
        meta = f"--input_meta_graph={prefix}.meta"
        for flags, says in [
            ([meta, "--input_checkpoint=nope", "--output_node_names=y"], "Input checkpoint 'nope' doesn't exist!"),
            ([meta, f"--input_checkpoint={prefix}"], "You need to supply the name of a node to --output_node_names."),
            ([meta, f"--input_checkpoint={prefix}", "--output_node_names=zz"], "zz is not in graph"),
            (["--input_graph=nope", f"--input_checkpoint={prefix}", "--output_node_names=y"], "Input graph file 'nope' does not exist!"),
            (["--input_meta_graph=nope", f"--input_checkpoint={prefix}", "--output_node_names=y"], "Input meta graph file 'nope' does not exist!"),
            ([meta, f"--input_checkpoint={prefix}", "--output_node_names=y", "--initializer_nodes=nope"],
             "The name 'nope' refers to an Operation not in the graph."),
            ([meta, f"--input_checkpoint={prefix}", "--output_node_names=y", "--checkpoint_version=3"],
             "Invalid checkpoint version (must be '1' or '2'): 3"),
        ]:
            status, _, err = flowkeep("freeze", "--output_graph", self.scratch / "o.pb", *flags)
            self.assertNotEqual(status, 0)
            self.assertIn(says, err)

    def test_a_model_is_made_of_a_meta_graph_and_its_checkpoint_alone(self):
        for resource in (False, True):
            prefix = self.train(resource)
            out = self.scratch / f"model{resource}"
            self.done("convert", f"{prefix}.meta", out, "--inputs", "x=x:0", "--outputs", "y=y:0")
            want = run_graph(self.theirs(prefix, self.scratch / "t.pb", input_meta_graph=f"{prefix}.meta", input_binary=True), "y:0", {"x:0": X})
            with tf.Graph().as_default(), v1.Session() as session:
                v1.saved_model.load(session, ["serve"], str(out))
                np.testing.assert_array_equal(session.run("y:0", {"x:0": X}), want)
            got = tf.saved_model.load(str(out)).signatures["serving_default"](x=tf.constant(X))["y"]
            np.testing.assert_allclose(got, want, rtol=1e-6)
            got = tf.train.load_checkpoint(str(out / "variables" / "variables")).get_variable_to_shape_map()
            self.assertEqual(got, {"w": [2, 2], "b": [2]})
        damaged = prefix.with_name(prefix.name + ".data-00000-of-00001")
        damaged.write_bytes(bytes([damaged.read_bytes()[0] ^ 1]) + damaged.read_bytes()[1:])
        status, _, err = flowkeep("convert", f"{prefix}.meta", self.scratch / "bad", "--outputs", "y=y:0")
        self.assertEqual(status, 25, err)
        self.assertFalse((self.scratch / "bad").exists())


class MetaGraphs(Case):
    """Models with several MetaGraphs, which share their variables."""

    def model(self):
        """One for training, with a step, and one for serving."""
        directory = self.scratch / "two"
        builder = v1.saved_model.Builder(str(directory))
        info = v1.saved_model.build_tensor_info
        for tags in (["train"], ["serve"]):
            with tf.Graph().as_default(), v1.Session() as session:
                x = v1.placeholder(tf.float32, [None, 2], name="x")
                w = v1.get_variable("w", initializer=np.float32([[1], [2]]))
                y = tf.matmul(x, w, name="y")
                signatures = {"serving_default": v1.saved_model.build_signature_def({"x": info(x)}, {"y": info(y)}, "tensorflow/serving/predict")}
                if tags == ["train"]:
                    loss = tf.reduce_sum(y * y + 1.0, name="loss")
                    signatures = {"train": v1.saved_model.build_signature_def({"x": info(x)}, {"loss": info(loss)}, "tensorflow/serving/predict")}
                    session.run(v1.global_variables_initializer())
                    builder.add_meta_graph_and_variables(session, tags, signatures)
                else:
                    builder.add_meta_graph(tags, signatures)
        builder.save()
        return directory

    def outputs(self, directory, tags, key):
        with tf.Graph().as_default(), v1.Session() as session:
            signature = v1.saved_model.load(session, tags, str(directory)).signature_def[key]
            fetches = {name: info.name for name, info in signature.outputs.items()}
            return session.run(fetches, {signature.inputs["x"].name: X})

    def test_one_or_all_are_converted(self):
        two = self.model()
        for flags, kept in [([], [["serve"]]), (["--tag_set", "train"], [["train"]]), (["--all"], [["train"], ["serve"]]),
                            (["--all", "--freeze"], [["train"], ["serve"]])]:
            out = self.scratch / "-".join(["out", *flags])
            with self.subTest(flags):
                self.done("convert", two, out, *flags)
                for tags, key in [(["train"], "train"), (["serve"], "serving_default")]:
                    if tags in kept:
                        want, got = self.outputs(two, tags, key), self.outputs(out, tags, key)
                        for name in want:
                            np.testing.assert_allclose(got[name], want[name], rtol=1e-6)
                    else:
                        with self.assertRaises(RuntimeError):
                            self.outputs(out, tags, key)
                self.assertEqual((out / "variables").exists(), "--freeze" not in flags)

    def test_the_parts_are_run_and_shown_by_their_tags(self):
        two = self.model()
        for tags, key in [(["train"], "train"), (["serve"], "serving_default")]:
            out = json.loads(self.done("run", "--dir", two, "--tag_set", tags[0], "--signature_def", key, "--input_exprs", f"x={X.tolist()}",
                                       "--format", "json"))
            for name, want in self.outputs(two, tags, key).items():
                np.testing.assert_allclose(np.array(out["outputs"][name]["value"]), want, rtol=1e-6)


class Damage(Case):
    """Damaged weights, found when they are first used, or before that."""

    def test_verify_at_load_finds_what_a_call_does_not_read(self):
        directory = self.scratch / "two"
        info = v1.saved_model.build_tensor_info
        with tf.Graph().as_default(), v1.Session() as session:
            x = v1.placeholder(tf.float32, [None], name="x")
            near = v1.get_variable("a_near", initializer=np.float32([2.0]))
            far = v1.get_variable("z_far", initializer=np.arange(1000, dtype=np.float32))
            signatures = {key: v1.saved_model.build_signature_def({"x": info(x)}, {"y": info(y)}, "tensorflow/serving/predict")
                          for key, y in [("near", x * near), ("far", x + tf.reduce_sum(far))]}
            session.run(v1.global_variables_initializer())
            builder = v1.saved_model.Builder(str(directory))
            builder.add_meta_graph_and_variables(session, ["serve"], signatures)
            builder.save()
        data = directory / "variables" / "variables.data-00000-of-00001"
        content = bytearray(data.read_bytes())
        content[-100] ^= 0x40
        data.write_bytes(content)

        def run(key, *flags):
            return flowkeep("run", "--dir", directory, "--signature_def", key, "--input_exprs", "x=[3.0]", *flags)

        status, out, err = run("near")
        self.assertEqual((status, out), (0, "Result for output key y:\n[6.]\n"), err)
        status, out, err = run("far")
        self.assertEqual((status, out), (25, ""), err)
        self.assertIn("z_far", err)
        for key in ("near", "far"):
            status, out, err = run(key, "--verify_at_load")
            self.assertEqual((status, out), (25, ""), err)
            self.assertIn("z_far", err)
        with self.assertRaises(tf.errors.DataLossError), tf.Graph().as_default(), v1.Session() as session:
            v1.saved_model.load(session, ["serve"], str(directory))

    def test_content_that_does_not_fit_is_told_by_the_calls_that_need_it(self):
        source = FIXTURES / "saved_models" / "half_plus_two_ref"
        for name, size, content in [("short", 3, bytes(8)), ("long", 1, bytes(8))]:
            directory = self.scratch / name
            shutil.copytree(source, directory)
            model = saved_model_pb2.SavedModel.FromString((source / "saved_model.pb").read_bytes())
            meta_graph = model.meta_graphs[0]
            constant = meta_graph.graph_def.node.add(name="constant", op="Const")
            constant.attr["dtype"].type = tf.float32.as_datatype_enum
            tensor = constant.attr["value"].tensor
            tensor.dtype, tensor.tensor_content = tf.float32.as_datatype_enum, content
            tensor.tensor_shape.dim.add(size=size)
            negative = meta_graph.graph_def.node.add(name="negative", op="Neg", input=["constant"])
            negative.attr["T"].type = tf.float32.as_datatype_enum
            meta_graph.signature_def["bad"].CopyFrom(meta_graph.signature_def["serving_default"])
            meta_graph.signature_def["bad"].outputs["y"].name = "negative:0"
            (directory / "saved_model.pb").write_bytes(model.SerializeToString())
            with self.subTest(name), tf.Graph().as_default(), v1.Session() as session:
                v1.saved_model.load(session, ["serve"], str(directory))
                self.assertEqual(session.run("y:0", {"x:0": [[1.0]]}).tolist(), [[2.5]])
                with self.assertRaisesRegex(tf.errors.InvalidArgumentError, "Cannot parse tensor from proto"):
                    session.run("negative:0")
                run = ("run", "--dir", directory, "--input_exprs", "x=[[1.0]]", "--signature_def")
                self.assertEqual(flowkeep(*run, "serving_default")[:2], (0, "Result for output key y:\n[[2.5]]\n"))
                status, out, err = flowkeep(*run, "bad")
                self.assertEqual((status, out), (13, ""), err)
                self.assertIn("Cannot parse tensor from proto", err)


if __name__ == "__main__":
    unittest.main()
