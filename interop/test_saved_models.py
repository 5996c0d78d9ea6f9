"""flowkeep show and run beside saved_model_cli and TensorFlow's sessions, on every committed model."""
import base64
import json
import pathlib
import tempfile
import unittest
import urllib.parse

import numpy as np

import drivers
from drivers import flowkeep, saved_model_cli_text
from generators import cases

FIXTURES = drivers.ROOT / "fixtures" / "saved_models"
HALF = FIXTURES / "half_plus_two_ref"
HISTORIC = FIXTURES / "saved_model_half_plus_two_cpu" / "00000123"
SOFTMAX = FIXTURES / "mnist_softmax"
LOOKUP = FIXTURES / "lookup_tf2"


class Show(unittest.TestCase):
    """The text of `show`, byte by byte but for the order of the ops."""

    def same_text(self, directory, *arguments):
        """Compares one `show` of both tools."""
        status, out, err = flowkeep("show", "--dir", directory, *arguments)
        self.assertEqual((status, err), (0, ""))
        ours, our_ops = drivers.ops_as_sets(out)
        theirs, their_ops = drivers.ops_as_sets(saved_model_cli_text("show", "--dir", directory, *arguments))
        self.assertEqual(ours, theirs)
        self.assertEqual(our_ops, their_ops)

    def test_show_all_is_that_of_saved_model_cli(self):
        for name, directory, _ in drivers.models():
            with self.subTest(name):
                self.same_text(directory, "--all")

    def test_show_tag_sets_and_signature_keys(self):
        for name, directory, record in drivers.models():
            with self.subTest(name):
                self.same_text(directory)
                for sequence in record["sequences"]:
                    self.same_text(directory, "--tag_set", ",".join(sequence["tags"]))

    def test_show_one_signature(self):
        for name, directory, record in drivers.models():
            tags = ",".join(record["sequences"][0]["tags"])
            for signature in sorted({c["signature"] for s in record["sequences"][:1] for c in s["calls"]}):
                with self.subTest(name, signature=signature):
                    self.same_text(directory, "--tag_set", tags, "--signature_def", signature)

    def test_show_list_ops(self):
        self.same_text(SOFTMAX, "--tag_set", "serve", "--list_ops")
        self.same_text(FIXTURES / "keras2_cnn", "--tag_set", "serve", "--list_ops")

    def test_show_as_json_parses(self):
        status, out, _ = flowkeep("show", "--dir", HALF, "--all", "--format", "json")
        self.assertEqual(status, 0)
        self.assertIn("serving_default", json.dumps(json.loads(out)))


class Run(unittest.TestCase):
    """Numbers of `run`, each call in a process of its own, against a fresh TensorFlow session."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)

    def one_call(self, directory, sequence, call):
        """Runs one recorded call on both sides; the recorded outputs serve as a third opinion."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.scratch))
        inputs = {key: cases.decode(value) for key, value in call["inputs"].items()}
        arguments = ";".join(f"{key}={drivers.write_input(folder, key, value)}" for key, value in inputs.items())
        out = folder / "out"
        status, _, err = flowkeep("run", "--dir", directory, "--tag_set", ",".join(sequence["tags"]),
                                  "--signature_def", call["signature"], "--inputs", arguments, "--outdir", out)
        if "error" in call:
            self.assertGreaterEqual(status, 10, err)
            self.assertIn(call["error"]["message"], err)
            return
        self.assertEqual(status, 0, err)
        run, closing = drivers.tensorflow_runner(directory, sequence)
        with closing:
            expected = run(call["signature"], inputs)
        # Keys with slashes are escaped in names of files.
        names = {urllib.parse.unquote(p.stem): p.stem for p in out.iterdir()}
        self.assertEqual(set(names), set(expected))
        for key, want in expected.items():
            self.assertIsNone(drivers.difference(drivers.read_output(out, names[key]), want, call["rtol"]), key)

    def test_every_signature_gives_the_numbers_of_tensorflow(self):
        for name, directory, record in drivers.models():
            for sequence in record["sequences"]:
                for call in sequence["calls"]:
                    if call["inputs"]:  # without any input neither tool runs a signature
                        with self.subTest(name, sequence=sequence["name"], signature=call["signature"], note=call["note"]):
                            self.one_call(directory, sequence, call)

    def test_recorded_cases_are_what_tensorflow_computes(self):
        for name, directory, record in drivers.models():
            for sequence in record["sequences"]:
                run, closing = drivers.tensorflow_runner(directory, sequence)
                with closing, self.subTest(name, sequence=sequence["name"]):
                    for call in sequence["calls"]:
                        if "outputs" in call:
                            outputs = run(call["signature"], {k: cases.decode(v) for k, v in call["inputs"].items()})
                            for key, want in call["outputs"].items():
                                self.assertIsNone(drivers.difference(outputs[key], cases.decode(want), call["rtol"]), key)
                        # a failing call changes no state in these models, so it needs no replay

    def test_npz_member_is_an_input(self):
        np.savez(self.scratch / "two.npz", a=np.float32([[1], [2]]), b=np.float32([[3]]))
        self.same_text(HALF, "--inputs", f"x={self.scratch / 'two.npz'}[a]")

    def same_text(self, directory, *arguments, signature="serving_default"):
        """Compares the text of one `run` of both tools; for models whose numbers are exact."""
        common = ("--dir", directory, "--tag_set", "serve", "--signature_def", signature, *arguments)
        status, out, err = flowkeep("run", *common)
        self.assertEqual(status, 0, err)
        self.assertEqual(out, saved_model_cli_text("run", *common))

    def test_input_exprs_print_as_saved_model_cli_prints(self):
        for exprs in ("x=[[1],[2]]", "x=[[0.5], [-1e3]]", "x=[(1_000,)]", "x= [[0x10],\n[True]]", "x=[[1]];x=[[2]]"):
            with self.subTest(exprs):
                self.same_text(HALF, "--input_exprs", exprs)

    def test_many_rows_are_abbreviated_as_numpy_does(self):
        np.save(self.scratch / "x.npy", np.arange(5000, dtype=np.float32).reshape(-1, 1))
        self.same_text(HALF, "--inputs", f"x={self.scratch / 'x.npy'}")

    def test_strings_and_scalars_print_as_saved_model_cli_prints(self):
        self.same_text(LOOKUP, "--input_exprs", "words=['fox', 'cow', 'the']")
        self.same_text(LOOKUP, "--input_exprs", "words='fox'")
        self.same_text(LOOKUP, "--input_exprs", "ids=[0, 6, 9]", signature="reverse")

    def test_input_examples_print_as_saved_model_cli_prints(self):
        for directory in (HALF, HISTORIC, FIXTURES / "half_plus_two_resource", FIXTURES / "half_plus_two_pbtxt"):
            for signature in ("regress_x_to_y", "regress_x_to_y2", "classify_x_to_y"):
                with self.subTest(directory.name, signature=signature):
                    self.same_text(directory, "--input_examples", "inputs=[{'x': [2.0], 'x2': [1.0]}, {'x': [-4.0]}]",
                                   signature=signature)

    def test_input_examples_reach_parse_example(self):
        features = [float(i % 7) / 7 for i in range(784)]
        status, out, err = flowkeep("run", "--dir", SOFTMAX, "--tag_set", "serve", "--signature_def", "serving_default",
                                    "--input_examples", f"inputs=[{{'x': {features}}}]", "--outdir", self.scratch / "o")
        self.assertEqual(status, 0, err)
        self.assertIn("Result for output key classes:", out)
        saved_model_cli_text("run", "--dir", SOFTMAX, "--tag_set", "serve", "--signature_def", "serving_default",
                             "--input_examples", f"inputs=[{{'x': {features}}}]", "--outdir", self.scratch / "t")
        self.assertIsNone(drivers.difference(drivers.read_output(self.scratch / "o", "scores"),
                                             np.load(self.scratch / "t" / "scores.npy"), 1e-5))
        theirs = np.load(self.scratch / "t" / "classes.npy", allow_pickle=True)
        self.assertIsNone(drivers.difference(drivers.read_output(self.scratch / "o", "classes"), theirs, 0))

    def test_json_output_holds_dtype_shape_and_value(self):
        status, out, err = flowkeep("run", "--dir", LOOKUP, "--signature_def", "reverse", "--input_exprs", "ids=[3]", "--format", "json")
        self.assertEqual(status, 0, err)
        words = json.loads(out)["outputs"]["words"]
        self.assertEqual(words["shape"], [1])
        self.assertEqual(words["value"], [{"b64": base64.b64encode(b"fox").decode()}])

    def test_a_second_run_needs_overwrite(self):
        common = ("run", "--dir", HALF, "--tag_set", "serve", "--signature_def", "serving_default", "--input_exprs", "x=[[1]]",
                  "--outdir", self.scratch / "o")
        status, out, _ = flowkeep(*common)
        self.assertEqual(status, 0)
        self.assertIn(f"Output y is saved to {self.scratch / 'o' / 'y.npy'}", out)
        status, _, err = flowkeep(*common)
        self.assertNotEqual(status, 0)
        self.assertIn('already exists. Add "--overwrite" to overwrite the existing output files.', err)
        self.assertEqual(flowkeep(*common, "--overwrite")[0], 0)


class Errors(unittest.TestCase):
    """Both tools refuse, and ours says the sentence that users of TensorFlow search for."""

    def both_refuse(self, command, *arguments, says):
        """TensorFlow raises a message with `says` in it; flowkeep prints it on one line and exits with 2 or a canonical code."""
        with self.assertRaises(Exception) as caught:
            saved_model_cli_text(command, *arguments)
        self.assertIn(says, str(caught.exception))
        status, out, err = flowkeep(command, *arguments)
        self.assertTrue(status == 2 or 10 < status <= 26, f"exit status {status}")
        self.assertIn(says, err)
        self.assertEqual(len(err.strip().splitlines()), 1, err)
        self.assertEqual(out, "")

    def test_missing_directory(self):
        self.both_refuse("show", "--dir", FIXTURES / "none", "--all", says="SavedModel file does not exist at: ")

    def test_unknown_tag_set(self):
        says = "MetaGraphDef associated with tag-set train could not be found in the SavedModel. Please use one of the following tag-sets:"
        self.both_refuse("show", "--dir", HALF, "--tag_set", "train", says=says)
        self.both_refuse("run", "--dir", HALF, "--tag_set", "train", "--signature_def", "serving_default",
                         "--input_exprs", "x=[[1]]", says=says)

    def test_tag_set_must_match_exactly(self):
        self.both_refuse("show", "--dir", FIXTURES / "multi_tag", "--tag_set", "gpu", says="tag-set gpu could not be found")

    def test_unknown_signature(self):
        self.both_refuse("run", "--dir", HALF, "--tag_set", "serve", "--signature_def", "nope", "--input_exprs", "x=[[1]]",
                         says='Could not find signature "nope". Please choose from:')

    def test_unknown_input(self):
        self.both_refuse("run", "--dir", HALF, "--tag_set", "serve", "--signature_def", "serving_default", "--input_exprs", "zz=[[1]]",
                         says='"zz" is not a valid input key. Please choose from "x"')

    def test_no_input_flag(self):
        self.both_refuse("run", "--dir", HALF, "--tag_set", "serve", "--signature_def", "serving_default",
                         says="At least one of --inputs, --input_exprs or --input_examples must be required")

    def test_expression_is_a_literal(self):
        self.both_refuse("run", "--dir", HALF, "--tag_set", "serve", "--signature_def", "serving_default",
                         "--input_exprs", "x=np.ones((1,1))", says='Expression "np.ones((1,1))" is not a valid python literal.')

    def test_inputs_format(self):
        self.both_refuse("run", "--dir", HALF, "--tag_set", "serve", "--signature_def", "serving_default", "--inputs", "x",
                         says='--inputs "x" format is incorrect.')

    def test_examples_are_lists(self):
        self.both_refuse("run", "--dir", HALF, "--tag_set", "serve", "--signature_def", "regress_x_to_y",
                         "--input_examples", "inputs={'x': [1.0]}", says="tf.Example input must be a list of dictionaries, but ")

    def test_kernel_error_keeps_its_sentence(self):
        self.both_refuse("run", "--dir", HALF, "--tag_set", "serve", "--signature_def", "regress_x_to_y",
                         "--input_examples", "inputs=[{'y': [1.0]}]",
                         says="Feature: x (data type: float) is required but could not be found.")

    def test_wrong_shape(self):
        with tempfile.TemporaryDirectory() as folder:
            np.save(pathlib.Path(folder) / "x.npy", np.zeros((1, 783), np.float32))
            status, _, err = flowkeep("run", "--dir", SOFTMAX, "--tag_set", "serve", "--signature_def", "predict_images",
                                      "--inputs", f"images={folder}/x.npy")
            self.assertEqual(status, 13, err)  # INVALID_ARGUMENT
            self.assertIn("783", err)

    def test_usage_errors_exit_with_2(self):
        self.assertEqual(flowkeep("show")[0], 2)
        self.assertEqual(flowkeep("bogus")[0], 2)


if __name__ == "__main__":
    unittest.main()
