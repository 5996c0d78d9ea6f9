"""Compares what executors cost, on graphs whose kernels do next to nothing, with TensorFlow in the same run.

    cargo build --release -p flowkeep-runtime --example time_run
    python benches/compare_run.py [--threads 2]

A chain of 10,000 additions of scalars; 100 such chains of 100, side by side; a loop of 10,000 rounds, as
nodes (TensorFlow 1) and as a function (TensorFlow 2). Of several runs the fastest counts.
"""

import argparse
import os
import pathlib
import subprocess
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import tensorflow as tf

v1 = tf.compat.v1
ROOT = pathlib.Path(__file__).resolve().parent.parent
N = 10_000


def chain(x, length, term=1.0):
    one = tf.constant(term)
    for _ in range(length):
        x = tf.add(x, one)
    return x


def loop(x):
    _, y = tf.while_loop(lambda i, _: i < N, lambda i, y: (i + 1, y + 1.0), [tf.constant(0), x])
    return y


def wide(x):
    return tf.add_n([chain(x, N // 100, float(idx)) for idx in range(100)])


CASES = {
    "chain of 10,000": (lambda x: chain(x, N), N, False),
    "100 chains of 100": (wide, N, False),
    "loop of 10,000, nodes": (loop, N, False),
    "loop of 10,000, function": (loop, N, True),
}


def build(make, functional):
    (v1.enable_control_flow_v2 if functional else v1.disable_control_flow_v2)()
    graph = tf.Graph()
    with graph.as_default():
        tf.identity(make(v1.placeholder(tf.float32, [], name="x")), name="y")
    return graph


def time_tensorflow(graph, threads, seconds):
    config = v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    # Else the additions would be joined or folded.
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = v1.OptimizerOptions.L0
    with v1.Session(graph=graph, config=config) as session:
        call = session.make_callable("y:0", feed_list=["x:0"])
        taken, until = [], time.perf_counter() + seconds
        while time.perf_counter() < until or len(taken) < 5:
            start = time.perf_counter()
            call(0.5)
            taken.append((time.perf_counter() - start) * 1e3)
    return min(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--timer", type=pathlib.Path, default=ROOT / "target/release/examples/time_run")
    arguments = parser.parse_args()
    print("| | Flowkeep, ms | ns a node or round | TensorFlow, ms | ratio |")
    print("|---|---|---|---|---|")
    for name, (make, n, functional) in CASES.items():
        graph = build(make, functional)
        with tempfile.NamedTemporaryFile(suffix=".pb") as file:
            file.write(graph.as_graph_def().SerializeToString())
            file.flush()
            words = [arguments.timer, file.name, "y:0", str(arguments.threads), str(arguments.seconds)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
        ours = float(done.stdout.split()[1])
        theirs = time_tensorflow(graph, arguments.threads, arguments.seconds)
        print(f"| {name} | {ours:.2f} | {ours * 1e6 / n:.0f} | {theirs:.2f} | {ours / theirs:.3f} |", flush=True)


if __name__ == "__main__":
    main()
