"""Prints what a run of one example takes, beside the least that its tensors and weights need at once.

    cargo build --release -p flowkeep-saved-model --example peak_memory
    python benches/peak_memory.py [--only NAME]

The models are Keras' own, with random weights. The ratio is that of what the process has while it runs to the
bytes of the weights and of the tensors that live at once in the order of the run; what is there once the model is
loaded, its graph above all, is taken off in the last column, and what there was before in all.
"""

import argparse
import os
import pathlib
import subprocess
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ["ResNet50", "MobileNetV2", "DenseNet121", "InceptionV3"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=MODELS)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "target/release/examples/peak_memory")
    arguments = parser.parse_args()
    print("| | weights, MiB | tensors, MiB | loaded, MiB | first runs, MiB | running, MiB | ratio | without the graph |")
    print("|---|---|---|---|---|---|---|---|")
    for name in arguments.only:
        tf.keras.utils.clear_session()
        with tempfile.TemporaryDirectory() as folder:
            getattr(tf.keras.applications, name)(weights=None).export(folder, verbose=False)
            done = subprocess.run([arguments.program, folder], capture_output=True, text=True, check=True)
        *sizes, ratio, apart = done.stdout.split()
        print(f"| {name} |", " | ".join(f"{int(size) / (1 << 20):.1f}" for size in sizes), f"| {ratio} | {apart} |")


if __name__ == "__main__":
    main()
