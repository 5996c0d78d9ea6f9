"""Compares what a step of training takes, with TensorFlow in the same run.

    cargo build --release -p flowkeep-cli
    python benches/compare_train.py [--threads 1 2] [--steps 60]

The CNN of the MNIST tutorial (batches of 64, two convolutions with pooling, 1024 dense units, Adam), and a dynamic_rnn of 128
LSTM units over 28 rows (batches of 32, loops of the older kind, Adam). Of each side the median step counts; ours is timed from
outside, between the lines of `flowkeep train --format json`.
"""

import argparse
import multiprocessing
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "interop"))

import numpy as np
import tensorflow as tf
import training

v1 = tf.compat.v1
N_BATCHES = 8


def mnist_cnn():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(N_BATCHES, 64, 28, 28, 1)).astype(np.float32)
    tensors, batches = training.placeholders({"images": images, "labels": rng.integers(0, 10, (N_BATCHES, 64))})
    step = training.global_step(True)
    x = tensors["images"]
    for idx, channels in enumerate([32, 64]):
        with v1.variable_scope(f"conv{idx}"):
            kernel = training.variable("kernel", [5, 5, x.shape[-1], channels], True)
            bias = training.variable("bias", [channels], True, v1.zeros_initializer())
            x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), bias))
            x = tf.nn.max_pool2d(x, 2, 2, "SAME")
    x = tf.nn.relu(training.dense(tf.reshape(x, [-1, 7 * 7 * 64]), "dense", 1024, True))
    loss = training.cross_entropy(tensors["labels"], training.dense(x, "logits", 10, True))
    return training.Model(batches, loss, v1.train.AdamOptimizer(1e-4).minimize(loss, global_step=step, name="train"))


def lstm():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(N_BATCHES, 32, 28, 28)).astype(np.float32)
    with training.loops(new=False):
        tensors, batches = training.placeholders({"rows": rows, "labels": rng.integers(0, 10, (N_BATCHES, 32))})
        step = training.global_step(True)
        with v1.variable_scope("rnn"):
            cell = training.LSTMCell(128, 28, True)
        _, (_, last) = v1.nn.dynamic_rnn(cell, tensors["rows"], dtype=tf.float32)
        loss = training.cross_entropy(tensors["labels"], training.dense(last, "logits", 10, True))
        train_op = v1.train.AdamOptimizer(1e-3).minimize(loss, global_step=step, name="train")
    return training.Model(batches, loss, train_op)


def median_ms(times):
    """Of the second half, in which everything is warm."""
    return statistics.median(np.diff(times[len(times) // 2 :])) * 1e3


def time_tensorflow(graph, model, prefix, saver, threads, n_steps):
    config = v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    with v1.Session(graph=graph, config=config) as session:
        saver.restore(session, prefix)
        names = list(model.batches)
        call = session.make_callable([model.loss, model.train_op], feed_list=names)
        times = [time.perf_counter()]
        for idx in range(n_steps):
            call(*(model.batches[name][idx % N_BATCHES] for name in names))
            times.append(time.perf_counter())
    return median_ms(times)


def time_flowkeep(binary, prefix, feed, threads, n_steps):
    words = [binary, "train", f"--checkpoint={prefix}", "--op=train", "--fetch=loss:0", f"--feed={feed}"]
    words += [f"--steps={n_steps}", f"--threads={threads}", "--format=json", "--quiet"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        times = [time.perf_counter() for _ in process.stdout]
    if process.returncode != 0:
        raise SystemExit(f"flowkeep train: status {process.returncode}")
    return median_ms(times)


def tensorflow_alone(make, prefix, threads, n_steps):
    """The time in a process of its own: the first session of a process sets its number of threads for good."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(build_and_time, (make.__name__, prefix, threads, n_steps))


def build_and_time(name, prefix, threads, n_steps):
    with tf.Graph().as_default() as graph:
        return time_tensorflow(graph, globals()[name](), prefix, v1.train.Saver(), threads, n_steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--flowkeep", type=pathlib.Path, default=ROOT / "target/release/flowkeep")
    parser.add_argument("--only", choices=["mnist_cnn", "lstm"])
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for the models, for a profiler, say")
    arguments = parser.parse_args()
    print("| | threads | Flowkeep, ms a step | TensorFlow, ms a step | ratio |")
    print("|---|---|---|---|---|")
    for make in (mnist_cnn, lstm):
        if arguments.only not in (None, make.__name__):
            continue
        with tempfile.TemporaryDirectory() as temporary, tf.Graph().as_default():
            folder = (arguments.keep or pathlib.Path(temporary)) / make.__name__
            folder.mkdir(parents=True, exist_ok=True)
            v1.set_random_seed(1)
            model = make()
            initializer, saver = v1.global_variables_initializer(), v1.train.Saver()
            with v1.Session() as session:
                session.run(initializer)
                prefix = saver.save(session, str(folder / "model.ckpt"))
            np.savez(folder / "batches.npz", **model.batches)
            for threads in arguments.threads:
                ours = time_flowkeep(arguments.flowkeep, prefix, folder / "batches.npz", threads, arguments.steps)
                theirs = tensorflow_alone(make, prefix, threads, arguments.steps)
                print(f"| {make.__name__} | {threads} | {ours:.2f} | {theirs:.2f} | {ours / theirs:.2f} |", flush=True)


if __name__ == "__main__":
    main()
