"""Compares the text format of a graph with Python's text_format, which TensorFlow uses, in the same run.

    cargo build --release -p flowkeep-proto --example time_text
    python benches/compare_text.py [--nodes 5000]

Both read one GraphDef and print it again. Of several runs the fastest counts.
"""

import argparse
import pathlib
import subprocess
import tempfile
import time

from google.protobuf import text_format
from tensorflow.core.framework import graph_pb2

ROOT = pathlib.Path(__file__).resolve().parent.parent


def graph_def(n_nodes):
    graph = graph_pb2.GraphDef()
    name = "model/block_{}/layer_{}/{}".format
    for i in range(n_nodes):
        before = max(i - 1, 0)
        node = graph.node.add(name=name(i // 50, i % 50, i), op=["AddV2", "MatMul", "Relu", "Conv2D", "Reshape"][i % 5])
        node.input.extend([name(before // 50, before % 50, before)] * 2)
        node.attr["T"].type = 1
        if node.op == "MatMul":
            node.attr["transpose_b"].b = True
    return graph


def fastest(work, times=3):
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--timer", type=pathlib.Path, default=ROOT / "target/release/examples/time_text")
    arguments = parser.parse_args()
    graph = graph_def(arguments.nodes)
    text = text_format.MessageToString(graph)
    with tempfile.NamedTemporaryFile("w", suffix=".pbtxt") as file:
        file.write(text)
        file.flush()
        done = subprocess.run([arguments.timer, "tensorflow.GraphDef", file.name], capture_output=True, text=True, check=True)
    n, parse, print_ = map(float, done.stdout.split())
    theirs = {
        "read": fastest(lambda: text_format.Merge(text, graph_pb2.GraphDef())),
        "print": fastest(lambda: text_format.MessageToString(graph)),
    }
    print(f"| {int(n)} bytes of text | Flowkeep, MB/s | Python, MB/s | ratio |")
    print("|---|---|---|---|")
    for what, ours in [("read", parse), ("print", print_)]:
        speed, their_speed = n / ours / 1e3, n / theirs[what] / 1e6
        print(f"| {what} | {speed:.0f} | {their_speed:.1f} | {speed / their_speed:.0f} |")


if __name__ == "__main__":
    main()
