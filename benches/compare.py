"""Set Flowkeep beside TensorFlow on the same models, threads and machine; print Markdown.

    python fixtures/generate.py big MODELS
    cargo build --release -p flowkeep-cli -p flowkeep-benches
    python benches/compare.py --models MODELS [--threads 2] [--seconds 5]

Needs tensorflow-cpu (interop/requirements.txt). Every figure is measured here, in this run: loading and running in one
process each, the command lines as whole processes, cold to exit.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TENSORFLOW = """
import json, os, resource, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
directory, key, file, threads, seconds = sys.argv[1:]
tf.config.threading.set_intra_op_parallelism_threads(int(threads))
tf.config.threading.set_inter_op_parallelism_threads(int(threads))
x = tf.constant(np.load(file))
start = time.perf_counter(); model = tf.saved_model.load(directory); load = time.perf_counter() - start
call = model.signatures["serving_default"]
start = time.perf_counter(); call(**{key: x}); first = time.perf_counter() - start
runs = []
begin = time.perf_counter()
while time.perf_counter() - begin < float(seconds) or len(runs) < 5:
    start = time.perf_counter(); y = call(**{key: x}); [v.numpy() for v in y.values()]; runs.append(time.perf_counter() - start)
runs.sort()
print(json.dumps({"load_ms": load * 1e3, "first_run_ms": first * 1e3, "run_ms": runs[len(runs) // 2] * 1e3,
                  "n_runs": len(runs), "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def measured(command, **env):
    """What the last line of a program's output says, as JSON."""
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def whole_process(command, runs):
    """Median milliseconds of a command from cold to exit."""
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times[1:])


def checkpoint_mib(directory):
    """Size of the checkpoint's data."""
    return sum(file.stat().st_size for file in (directory / "variables").glob("*.data-*")) / 2**20


def models(args):
    print("| model | | Flowkeep | TensorFlow, oneDNN off | ratio | TensorFlow, oneDNN on | ratio |\n|---|---|---|---|---|---|---|")
    listed = json.loads((args.models / "models.json").read_text())
    for model, file in ((model, file) for model in listed for file in model["inputs"]):
        name, key, batch = model["dir"], model["input"], file.split("_")[-1].removesuffix(".npy")
        directory, file = args.models / name, str(args.models / file)
        shared = [str(args.threads), str(args.seconds)]
        ours = measured([str(args.timer), str(directory), "serving_default", f"{key}={file}", *shared])
        plain, onednn = (measured([sys.executable, "-c", TENSORFLOW, str(directory), key, file, *shared],
                                  TF_ENABLE_ONEDNN_OPTS=flag) for flag in "01")
        label = f"{name}, batch {batch}"
        for figure, title in (("load_ms", "load, ms"), ("run_ms", "run, ms"), ("peak_rss_mib", "peak memory, MiB")):
            a, b, c = ours[figure], plain[figure], onednn[figure]
            print(f"| {label} | {title} | {a:.1f} | {b:.1f} | {a / b:.2f} | {c:.1f} | {a / c:.2f} |", flush=True)
        print(f"| {label} | weights on disk, MiB | {checkpoint_mib(directory):.1f} | | | | |", flush=True)


def commands(args):
    model = ROOT / "fixtures/saved_models/half_plus_two_tf2"
    cli = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli"]
    show = ["show", "--dir", str(model), "--all"]
    run = ["run", "--dir", str(model), "--tag_set", "serve", "--signature_def", "serving_default",
           "--input_exprs", "x=[[1.0]]"]
    print("\n| whole process | Flowkeep, ms | TensorFlow, ms | ratio |\n|---|---|---|---|")
    for title, arguments in (("show, half_plus_two_tf2", show), ("run, half_plus_two_tf2", run)):
        ours, theirs = whole_process([str(args.flowkeep), *arguments], 20), whole_process([*cli, *arguments], 3)
        print(f"| {title} | {ours:.1f} | {theirs:.0f} | {ours / theirs:.4f} |", flush=True)
    print(f"\nRelease binary: {args.flowkeep.stat().st_size / 1e6:.1f} MB.")


def cpu_name():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path, required=True, help="what `generate.py big` wrote")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--flowkeep", type=pathlib.Path, default=ROOT / "target/release/flowkeep")
    parser.add_argument("--timer", type=pathlib.Path, default=ROOT / "target/release/time_model")
    args = parser.parse_args()
    print(f"{datetime.date.today()}, {cpu_name()}, {args.threads} threads\n")
    models(args)
    commands(args)


if __name__ == "__main__":
    main()
