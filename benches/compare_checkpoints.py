"""Set Flowkeep beside TensorFlow, safetensors and the machine itself on a checkpoint of 1 GB; print Markdown.

    cargo build --release -p flowkeep-cli -p flowkeep-benches
    python benches/compare_checkpoints.py --dir SCRATCH [--threads 2] [--rounds 5]

Needs tensorflow-cpu (interop/requirements.txt), safetensors, Linux, and 10 GB of free disk. Everything is in the page
cache. The checkpoint has four tensors of 200 MB and 5,000 of 40 kB.
"""
import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from compare import ROOT, cpu_name, measured

TENSORFLOW = """
import json, os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
directory, threads, rounds = sys.argv[1:]
v1 = tf.compat.v1
config = v1.ConfigProto(intra_op_parallelism_threads=int(threads), inter_op_parallelism_threads=int(threads))
shapes = {f"embedding_{i}/table": 50_000_000 for i in range(4)} | {f"layer_{i:05}/kernel": 10_000 for i in range(5_000)}
times = {"save": [], "load_checkpoint and get_tensor": [], "safetensors.numpy.load_file": []}
def timed(what, work):
    start = time.perf_counter(); result = work(); times[what].append((time.perf_counter() - start) * 1e3); return result
def many(prefix, n):
    with tf.Graph().as_default(), v1.Session() as session:
        names = [f"block_{i // 100}/layer_{i:05}/bias" for i in range(n)]
        op = tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=[""] * n, tensors=[tf.zeros(4)] * n)
        session.run(op)
many(directory + "/many", 10_000)
with tf.Graph().as_default(), v1.Session(config=config) as session:
    def initial(i, n):
        return lambda: tf.cast(tf.range(n) % 1009, tf.float32) * (1e-3 * (1 + i % 7))
    variables = {name: v1.Variable(initial(i, n), name=name, use_resource=True) for i, (name, n) in enumerate(shapes.items())}
    session.run(v1.global_variables_initializer())
    saver = v1.train.Saver(variables)
    for i in range(int(rounds)):
        timed("save", lambda: saver.save(session, directory + f"/m{min(i, 2)}", write_meta_graph=False, write_state=False))
def load():
    reader = tf.train.load_checkpoint(directory + "/m0")
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
from safetensors.numpy import load_file, save_file
tensors = timed("load_checkpoint and get_tensor", load)
save_file(tensors, directory + "/m0.safetensors")
del tensors
for i in range(int(rounds)):
    timed("load_checkpoint and get_tensor", load)
    timed("safetensors.numpy.load_file", lambda: load_file(directory + "/m0.safetensors"))
print(json.dumps({what: sorted(ms)[len(ms) // 2] for what, ms in times.items()}))
"""


def process(command, runs):
    """Median milliseconds of a whole process, and its largest memory in MiB."""
    times, memory = [], 0
    for _ in range(runs + 1):
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        times.append((time.perf_counter() - start) * 1e3)
        if status:
            raise SystemExit(f"{command} failed")
        memory = max(memory, usage.ru_maxrss / 1024)
    return statistics.median(times[1:]), memory


def in_process(args):
    """What the libraries do, beside the machine and TensorFlow."""
    theirs = measured([sys.executable, "-c", TENSORFLOW, str(args.dir), str(args.threads), str(max(args.rounds, 3))])
    ours = measured([str(args.timer), str(args.dir / "m0"), str(args.dir / "many"), str(args.dir / "m0.safetensors"),
                     str(args.threads), str(args.rounds)])
    size, ms = ours["bytes"], ours["ms"]
    read, save = theirs["load_checkpoint and get_tensor"], theirs["save"]
    print(f"{size / 1e9:.2f} GB in {ours['tensors']} tensors; a ratio is the peer's time over Flowkeep's\n")
    print("| | ms | GB/s | peer | ms | ratio |\n|---|---|---|---|---|---|")
    rows = [
        ("read: mapped, 1 thread", "machine: mapped sum, 1 thread", None),
        ("read: mapped, 1 thread", "read: safetensors, mapped, every byte summed, 1 thread", None),
        ("read: mapped, all threads", "machine: mapped sum, all threads", None),
        ("read: mapped, all threads", "TensorFlow: load_checkpoint and get_tensor", read),
        ("read: into memory, 1 thread", "read: safetensors, into memory, 1 thread", None),
        ("read: into memory, all threads", "TensorFlow: load_checkpoint and get_tensor", read),
        ("read: into memory, all threads", "safetensors.numpy.load_file", theirs["safetensors.numpy.load_file"]),
        ("verify, all threads", "machine: mapped sum, all threads", None),
        ("write", "machine: raw write", None),
        ("write", "TensorFlow: Saver.save", save),
        ("write, synced", "machine: raw write, synced", None),
        ("write, synced", "TensorFlow: Saver.save", save),
    ]
    for what, peer, figure in rows:
        figure = ms[peer] if figure is None else figure
        print(f"| {what} | {ms[what]:.0f} | {size / ms[what] / 1e6:.1f} | {peer} | {figure:.0f} | {figure / ms[what]:.2f} |")
    print(f"| open and list 10,000 tensors | {ms['open and list many']:.2f} | | | | |", flush=True)
    return ms["machine: mapped sum, all threads"]


def commands(args, machine):
    """Whole processes, cold to exit."""
    ckpt, m = [str(args.flowkeep), "ckpt"], [str(args.dir / f"m{i}") for i in range(3)]
    out = str(args.dir / "out")
    write = ["--overwrite", "--no-sync", "--threads", str(args.threads)]
    print("\n| whole process | ms | peak memory, MiB | reading alone, at the machine's speed, ms |\n|---|---|---|---|")
    rows = [
        ("ls, 10,000 tensors", ["ls", str(args.dir / "many")], 0),
        ("cat of a small tensor", ["cat", m[0], "layer_02500/kernel[:4]"], 0),
        ("verify", ["verify", m[0]], 1),
        ("stat", ["stat", m[0]], 1),
        ("diff with itself", ["diff", m[0], m[0]], 2),
        ("avg of three, not synced", ["avg", *m, out, *write], 3),
        ("avg of three, not synced, mapped", ["avg", "--mmap", *m, out, *write], 3),
        ("cast to bf16, not synced", ["cast", "--to", "bf16", m[0], out, *write], 1),
        ("convert to safetensors", ["convert", "--to", "safetensors", m[0], out + ".safetensors", "--overwrite"], 1),
    ]
    for what, arguments, reads in rows:
        took, memory = process([*ckpt, *arguments], args.rounds if reads else 20)
        print(f"| {what} | {took:.1f} | {memory:.0f} | {f'{reads * machine:.0f}' if reads else ''} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=pathlib.Path, required=True, help="an empty folder for 6 GB")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--flowkeep", type=pathlib.Path, default=ROOT / "target/release/flowkeep")
    parser.add_argument("--timer", type=pathlib.Path, default=ROOT / "target/release/time_checkpoint")
    args = parser.parse_args()
    print(f"{datetime.date.today()}, {cpu_name()}, {args.threads} threads\n")
    commands(args, in_process(args))


if __name__ == "__main__":
    main()
