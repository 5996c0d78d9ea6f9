"""Compares the import of a GraphDef with that of TensorFlow, in the same run.

    cargo build --release -p flowkeep-graph --example time_import
    python benches/compare_import.py [--nodes 50000]

The graph is layers of MatMul, BiasAdd and Relu in scopes, each with weights and a bias that are
constants. Of several imports the fastest counts.
"""

import argparse
import pathlib
import subprocess
import tempfile
import time

import tensorflow as tf

ROOT = pathlib.Path(__file__).resolve().parent.parent


def graph_def(n_nodes):
    def_ = tf.compat.v1.GraphDef()
    def_.versions.producer = tf.version.GRAPH_DEF_VERSION

    def node(name, op, *inputs, attr="T"):
        added = def_.node.add(name=name, op=op, input=inputs)
        added.attr[attr].type = tf.float32.as_datatype_enum
        return added

    node("x", "Placeholder", attr="dtype")
    last = "x"
    for idx in range(n_nodes // 5):
        for name, shape in [("weights", [2, 2]), ("bias", [2])]:
            value = node(f"model/layer_{idx}/{name}", "Const", attr="dtype").attr["value"]
            value.tensor.CopyFrom(tf.make_tensor_proto(0.5, tf.float32, shape))
        node(f"model/layer_{idx}/MatMul", "MatMul", last, f"model/layer_{idx}/weights")
        node(f"model/layer_{idx}/BiasAdd", "BiasAdd", f"model/layer_{idx}/MatMul", f"model/layer_{idx}/bias")
        last = f"model/layer_{idx}/Relu"
        node(last, "Relu", f"model/layer_{idx}/BiasAdd")
    return def_


def time_tensorflow(def_, times):
    taken = []
    for _ in range(times):
        with tf.Graph().as_default():
            start = time.perf_counter()
            tf.import_graph_def(def_, name="")
            taken.append((time.perf_counter() - start) * 1e3)
    return min(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=50_000)
    parser.add_argument("--timer", type=pathlib.Path, default=ROOT / "target/release/examples/time_import")
    arguments = parser.parse_args()
    def_ = graph_def(arguments.nodes)
    with tempfile.NamedTemporaryFile(suffix=".pb") as file:
        file.write(def_.SerializeToString())
        file.flush()
        done = subprocess.run([arguments.timer, file.name], capture_output=True, text=True, check=True)
    n_nodes, alone, into, edit = done.stdout.split()
    theirs = time_tensorflow(def_, 3)
    print(f"| {n_nodes} nodes | Flowkeep, ms | TensorFlow, ms | ratio |")
    print("|---|---|---|---|")
    print(f"| import | {float(alone):.1f} | {theirs:.0f} | {float(alone) / theirs:.4f} |")
    print(f"| import into the same graph | {float(into):.1f} | | |")
    print(f"| rename all nodes | {float(edit):.1f} | | |")


if __name__ == "__main__":
    main()
