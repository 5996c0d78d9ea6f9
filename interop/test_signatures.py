"""Signatures that `flowkeep sig` edited, as TensorFlow's two loaders see them."""
import pathlib
import tempfile
import unittest

import drivers  # noqa: F401  (sets TensorFlow up)
import numpy as np
import tensorflow as tf
from drivers import flowkeep

v1 = tf.compat.v1


class Model(tf.Module):
    """Two signatures, of one and of two inputs and outputs."""

    def __init__(self):
        super().__init__()
        self.scale = tf.Variable(3.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def times(self, x):
        """One output."""
        return {"y": x * self.scale}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="a"), tf.TensorSpec([None], tf.float32, name="b")])
    def both(self, a, b):
        """Two outputs that differ in their order."""
        return {"difference": a - b, "total": a + b}


class Signatures(unittest.TestCase):
    """A model of TensorFlow 2, edited step by step."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.source = self.scratch / "model"
        model = Model()
        tf.saved_model.save(model, str(self.source), signatures={"times": model.times, "both": model.both})

    def edit(self, *arguments):
        """Runs one subcommand on the model; returns where the edited one is and what was said."""
        command, *rest = arguments
        target = self.scratch / str(len(list(self.scratch.iterdir())))
        status, out, err = flowkeep("sig", command, self.source, target, *rest)
        self.assertEqual((status, err), (0, ""), out)
        return target, out

    def objects(self, directory, key, **inputs):
        """What tf.saved_model.load's signature gives."""
        outputs = tf.saved_model.load(str(directory)).signatures[key](**{k: tf.constant(v) for k, v in inputs.items()})
        return {k: v.numpy().tolist() for k, v in outputs.items()}

    def session(self, directory, key, tags=("serve",), **inputs):
        """What the signature gives in a session."""
        with tf.Graph().as_default(), v1.Session() as session:
            signature = v1.saved_model.load(session, list(tags), str(directory)).signature_def[key]
            feeds = {signature.inputs[k].name: np.float32(v) for k, v in inputs.items()}
            return {k: v.tolist() for k, v in session.run({k: t.name for k, t in signature.outputs.items()}, feeds).items()}

    def both_ways(self, directory, key, expected, **inputs):
        """Both loaders give what is expected."""
        self.assertEqual(self.objects(directory, key, **inputs), expected)
        self.assertEqual(self.session(directory, key, **inputs), expected)

    def test_a_signature_is_renamed_copied_and_removed(self):
        renamed, _ = self.edit("rename", "times", "triple")
        self.both_ways(renamed, "triple", {"y": [6.0]}, x=[2.0])
        self.assertNotIn("times", tf.saved_model.load(str(renamed)).signatures)
        copied, _ = self.edit("copy", "times", "triple")
        for key in ["times", "triple"]:
            self.both_ways(copied, key, {"y": [6.0]}, x=[2.0])
        removed, _ = self.edit("remove", "both")
        self.assertEqual(list(tf.saved_model.load(str(removed)).signatures), ["times"])
        self.both_ways(removed, "times", {"y": [6.0]}, x=[2.0])

    def test_inputs_and_outputs_are_renamed(self):
        renamed, _ = self.edit("rename-input", "times", "x", "image")
        self.both_ways(renamed, "times", {"y": [6.0]}, image=[2.0])
        renamed, _ = self.edit("rename-output", "times", "y", "scaled")
        self.both_ways(renamed, "times", {"scaled": [6.0]}, x=[2.0])
        renamed, _ = self.edit("rename-input", "both", "b", "c")
        self.both_ways(renamed, "both", {"difference": [3.0], "total": [7.0]}, a=[5.0], c=[2.0])
        renamed, _ = self.edit("rename-output", "both", "difference", "minus")
        self.both_ways(renamed, "both", {"minus": [3.0], "total": [7.0]}, a=[5.0], b=[2.0])

    def test_what_the_function_cannot_follow_is_said(self):
        renamed, out = self.edit("rename-output", "both", "difference", "z")
        self.assertIn("tf.saved_model.load sees the old names", out)
        self.assertEqual(self.session(renamed, "both", a=[5.0], b=[2.0]), {"z": [3.0], "total": [7.0]})
        self.assertEqual(self.objects(renamed, "both", a=[5.0], b=[2.0]), {"difference": [3.0], "total": [7.0]})

    def test_a_signature_is_added_to_the_graph_and_has_its_types(self):
        with tf.Graph().as_default(), v1.Session() as session:
            total = v1.saved_model.load(session, ["serve"], str(self.source)).signature_def["both"].outputs["total"].name
        added, out = self.edit("add", "sum", "--input", "left=both_a:0", "--input", "right=both_b", "--output", f"sum={total}")
        self.assertIn("tf.saved_model.load does not see sum", out)
        with tf.Graph().as_default(), v1.Session() as session:
            signature = v1.saved_model.load(session, ["serve"], str(added)).signature_def["sum"]
            self.assertEqual(signature.method_name, "tensorflow/serving/predict")
            info = signature.inputs["left"]
            self.assertEqual((info.name, info.dtype, [d.size for d in info.tensor_shape.dim]), ("both_a:0", 1, [-1]))
            for info in [*signature.inputs.values(), *signature.outputs.values()]:
                tensor = session.graph.get_tensor_by_name(info.name)
                self.assertEqual(info.dtype, tensor.dtype.as_datatype_enum)
                self.assertTrue(tensor.shape.is_compatible_with(tf.TensorShape(info.tensor_shape)))
        self.assertEqual(self.session(added, "sum", left=[5.0], right=[2.0]), {"sum": [7.0]})

    def test_tags_are_replaced(self):
        tagged, _ = self.edit("tags", "serve,cpu")
        self.assertEqual(self.session(tagged, "times", tags=["serve", "cpu"], x=[2.0]), {"y": [6.0]})
        self.assertEqual(self.objects(tagged, "times", x=[2.0]), {"y": [6.0]})
