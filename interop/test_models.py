"""Functions and graphs as whole models; `cargo xtask long-models` has layers and architectures, too."""
import unittest

import models


class Models(unittest.TestCase):
    """Loops, conditionals, lists, gradients, partitioned variables: what is no single op."""

    def test_functions_and_graphs_compute_the_same(self):
        names = [name for name in models.MODELS if name.startswith(("function", "graph"))]
        wrong = {name: reason for name, _, reason in models.run(names) if reason}
        self.assertEqual(wrong, {})
        self.assertGreaterEqual(len(names), 28)
