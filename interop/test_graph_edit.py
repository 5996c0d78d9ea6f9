"""Graphs that `flowkeep graph` edited, loaded and run by TensorFlow."""
import pathlib
import tempfile
import unittest

import drivers
import tensorflow as tf
from google.protobuf import text_format
from drivers import flowkeep
from generators import cases

v1 = tf.compat.v1
VIEWS = drivers.ROOT / "fixtures" / "graph_views"
# Each takes what the one before it gave.
STEPS = [
    ("freeze",),
    ("inline", "--aggressive"),
    ("fold-constants",),
    ("remove-training-nodes",),
    ("fold-batch-norms",),
    ("clear-devices",),
    ("rename", "--sub", "^", "moved/"),
    ("strip-default-attrs",),
]


class Edits(unittest.TestCase):
    """Models and graphs in all stages of editing."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)

    def edit(self, command, source, *flags):
        """The edited file or model, which must have been written without a word of complaint."""
        target = self.scratch / f"{len(list(self.scratch.iterdir()))}{source.suffix}"
        status, out, err = flowkeep("graph", command, source, target, *flags)
        self.assertEqual((status, err), (0, ""), f"{command} {source}: {out}")
        return target

    def computes(self, directory, sequence):
        """Asserts that TensorFlow loads a model and gets what was recorded."""
        with tf.Graph().as_default(), v1.Session() as session:
            run = cases.session_runner(directory, sequence["tags"], session)
            for call in sequence["calls"]:
                if "outputs" not in call or not call["inputs"]:
                    continue
                outputs = run(call["signature"], {key: cases.decode(value) for key, value in call["inputs"].items()})
                for key, want in call["outputs"].items():
                    self.assertIsNone(drivers.difference(outputs[key], cases.decode(want), max(call["rtol"], 1e-5)), key)

    def test_models_compute_the_same_after_every_step(self):
        edited = 0
        for name, directory, record in drivers.models():
            for sequence in record["sequences"]:
                tags = ",".join(sequence["tags"])
                status, _, err = flowkeep("graph", "freeze", directory, self.scratch / f"try {edited} {name.replace('/', ' ')} {tags}",
                                          "--tags", tags)
                if status:
                    # What assigns to its variables when it is called cannot be frozen.
                    self.assertIn("needs it as a variable", err, name)
                    continue
                edited += 1
                model = directory
                for command, *flags in STEPS:
                    with self.subTest(name, tags=tags, step=command):
                        model = self.edit(command, model, "--tags", tags, *flags)
                        self.computes(model, sequence)
        self.assertGreaterEqual(edited, 10)

    def test_meta_graphs_and_graph_defs_are_imported(self):
        for path in sorted([*VIEWS.glob("*.meta"), *VIEWS.glob("*.pb")]):
            if path.name.endswith("saved_model.pb"):
                continue
            for command, *flags in [
                ("clear-devices",), ("strip-default-attrs",), ("remove-training-nodes",), ("inline",), ("fold-constants",),
                ("rename", "--sub", "^", "moved/", "--function-sub", "^", "f_"), ("fold-batch-norms",), ("downgrade", "--consumer", "2.21"),
            ]:
                for form in ["binary", "text"]:
                    with self.subTest(path.name, command=command, form=form):
                        edited = self.edit(command, path, "--to", form, *flags)
                        with tf.Graph().as_default() as graph:
                            if path.suffix == ".meta":
                                v1.train.import_meta_graph(str(edited))
                            else:
                                tf.import_graph_def(read_graph_def(edited, form), name="")
                            self.assertTrue(graph.get_operations())

    def test_what_is_converted_twice_is_what_it_was(self):
        for path in sorted(VIEWS.glob("*.pb")):
            text = self.edit("convert", path, "--to", "text")
            binary = self.edit("convert", text, "--to", "binary")
            self.assertEqual(binary.read_bytes(), path.read_bytes(), path.name)


def read_graph_def(path, form):
    """The GraphDef in a file."""
    graph_def = v1.GraphDef()
    if form == "binary":
        graph_def.ParseFromString(path.read_bytes())
    else:
        text_format.Merge(path.read_text(encoding="utf-8"), graph_def)
    return graph_def
