"""Trainings that change sides: TensorFlow trains and saves, flowkeep goes on, TensorFlow goes on with that."""
import json
import pathlib
import tempfile
import unittest

import drivers
import numpy as np
import training

# Steps until TensorFlow saves, until flowkeep saves, and until the end.
FIRST, SECOND, LAST = 10, 60, 70
RTOL = 1e-4


class Trainings(unittest.TestCase):
    """The losses of each side are those of the other."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def train(self, *arguments):
        """Runs flowkeep; returns the losses by step."""
        status, out, err = drivers.flowkeep(
            "train", *arguments, "--op=train", "--fetch=loss:0", "--format=json", "--no-sync", "--quiet"
        )
        self.assertEqual((status, err), (0, ""), out[-2000:])
        lines = [json.loads(line) for line in out.splitlines()]
        return {line["step"]: line["values"]["loss:0"] for line in lines}

    def assert_same(self, got, want, first):
        """Compares losses by step with those from a step on."""
        self.assertEqual(list(got), list(range(first + 1, first + 1 + len(want))))
        np.testing.assert_allclose(list(got.values()), want, rtol=RTOL, atol=0)

    def check(self, name, resource):
        """There and back again."""
        out = self.dir / "out"
        made = training.Training(name, resource, self.dir, FIRST, LAST - FIRST)
        self.assertEqual(made.resource_variables(), resource)
        made.write_batches(self.dir / "second.npz", FIRST, SECOND)
        made.write_batches(self.dir / "third.npz", SECOND, LAST)
        meta = f"--meta={made.prefix}.meta"
        ours = self.train(
            meta, f"--checkpoint={made.prefix}", f"--feed={self.dir}/second.npz", f"--steps={SECOND - FIRST}", f"--out={out}"
        )
        theirs = made.resumed(made.prefix, FIRST, SECOND)
        self.assertGreater(len(set(theirs)), 40)
        self.assert_same(ours, theirs, FIRST)
        # What was saved, both go on with.
        ours = self.train(meta, f"--checkpoint={out}", f"--feed={self.dir}/third.npz", f"--steps={LAST - SECOND}")
        self.assert_same(ours, made.resumed(out / f"model.ckpt-{SECOND}", SECOND, LAST), SECOND)

    def test_a_training_that_was_begun_here_goes_on_in_tensorflow(self):
        made = training.Training("schedule", True, self.dir, FIRST, SECOND - FIRST)
        made.write_batches(self.dir / "all.npz", 0, SECOND)
        out = self.dir / "out"
        ours = self.train(f"--meta={made.prefix}.meta", f"--feed={self.dir}/all.npz", f"--steps={FIRST}", f"--out={out}")
        self.assert_same(ours, made.first_losses, 0)
        theirs = made.resumed(out / f"model.ckpt-{FIRST}", FIRST, SECOND)
        np.testing.assert_allclose(theirs, made.resumed(made.prefix, FIRST, SECOND), rtol=RTOL)


def add_tests():
    """A test for each model, of either form of variables."""
    for name in training.MODELS:
        for resource in (False, True):
            form = "resource" if resource else "ref"

            def test(self, name=name, resource=resource):
                self.check(name, resource)

            setattr(Trainings, f"test_{name}_{form}".replace(" ", "_"), test)


add_tests()

if __name__ == "__main__":
    unittest.main()
