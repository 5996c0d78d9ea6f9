"""Models in chunks, saved_model.cpb: what TensorFlow's merger reads runs in flowkeep, with TensorFlow's numbers."""
import json
import pathlib
import tempfile
import unittest

import numpy as np

import drivers  # sets what TensorFlow reads when it is imported
import generate_chunked
import tensorflow as tf
from drivers import flowkeep
from generators import cases
from tensorflow.core.protobuf import fingerprint_pb2, saved_model_pb2
from tensorflow.python.saved_model.pywrap_saved_model import fingerprinting

CHUNKED = drivers.ROOT / "fixtures" / "chunked"
X = np.linspace(-2, 2.5, 24, dtype=np.float32).reshape(3, 8)


class Chunks(unittest.TestCase):
    """Fixtures, and models that are cut here."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = pathlib.Path(folder.name)

    def run_in_flowkeep(self, directory, x):
        """The output of the signature."""
        out = self.scratch / f"out{len(list(self.scratch.iterdir()))}"
        file = drivers.write_input(self.scratch, "x", x)
        status, _, err = flowkeep("run", "--dir", directory, "--inputs", f"x={file}", "--outdir", out, "--overwrite")
        self.assertEqual(status, 0, err)
        return drivers.read_output(out, "y")

    def test_committed_models_run(self):
        for name in ("compressed", "stored"):
            record = json.loads((CHUNKED / f"{name}.cases.json").read_text(encoding="utf-8"))
            for call in record["sequences"][0]["calls"]:
                with self.subTest(name):
                    got = self.run_in_flowkeep(CHUNKED / name, cases.decode(call["inputs"]["x"]))
                    self.assertIsNone(drivers.difference(got, cases.decode(call["outputs"]["y"]), 1e-5))

    def test_models_cut_to_pieces_of_many_sizes_run(self):
        saved = self.scratch / "saved"
        module = generate_chunked.Noise()
        tf.saved_model.save(module, str(saved), signatures=module.dense)
        message = (saved / "saved_model.pb").read_bytes()
        want = module.dense(tf.constant(X))["y"].numpy()
        shown = flowkeep("show", "--dir", saved, "--all")
        hashes = set()
        (saved / "saved_model.pb").unlink()
        for max_size, chunk_size in ((500, 100), (900, 1 << 20), (3000, 1 << 16), (20000, 1 << 20)):
            with self.subTest(max_size=max_size, chunk_size=chunk_size):
                model = saved_model_pb2.SavedModel.FromString(message)
                chunks = generate_chunked.SavedModelSplitter(model, max_size).chunks
                generate_chunked.write(saved / "saved_model.cpb", chunks, "none", chunk_size)
                # TensorFlow reads the chunks, too; of other forms it takes other hashes.
                hashes.add(fingerprint(saved).saved_object_graph_hash)
                self.assertIsNone(drivers.difference(self.run_in_flowkeep(saved, X), want, 1e-5))
                self.assertEqual(flowkeep("show", "--dir", saved, "--all"), shown)

        self.assertEqual(len(hashes), 1)

    def test_a_model_in_chunks_becomes_one_that_every_loader_reads(self):
        flat = self.scratch / "flat"
        status, _, err = flowkeep("convert", CHUNKED / "compressed", flat)
        self.assertEqual(status, 0, err)
        got = tf.saved_model.load(str(flat)).signatures["serving_default"](x=tf.constant(X))["y"].numpy()
        self.assertIsNone(drivers.difference(got, self.run_in_flowkeep(CHUNKED / "compressed", X), 1e-5))


def fingerprint(directory):
    """What TensorFlow makes of a model's message, in chunks or not."""
    return fingerprint_pb2.FingerprintDef.FromString(fingerprinting.CreateFingerprintDef(str(directory)))
