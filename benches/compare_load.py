"""Compare what loading a SavedModel takes: Flowkeep, TensorFlow and OpenVINO, in the same run; print Markdown.

    cargo build --release -p flowkeep-cli
    python benches/compare_load.py MODELS [--openvino PYTHON] [--only NAME]

MODELS is a folder; models that are not there are made, with random weights: ResNet50, BERT-base (128 tokens) and four dense layers
of 256 MiB each. PYTHON is an interpreter with the package openvino, for its column. Every load is a process of its own, with files
that were read before; the median of five. The time of loading begins after imports; beside it stands the whole process, from cold to
the first result.
"""
import argparse
import json
import os
import pathlib
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
start = time.perf_counter(); model = tf.saved_model.load(sys.argv[1]); load = time.perf_counter() - start
call = model.signatures["serving_default"]
specs = call.structured_input_signature[1]
inputs = {key: tf.zeros([d or 1 for d in spec.shape], spec.dtype) for key, spec in specs.items()}
start = time.perf_counter(); [v.numpy() for v in call(**inputs).values()]; first = time.perf_counter() - start
print(json.dumps({"load_ms": load * 1e3, "first_ms": first * 1e3,
                  "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""
OPENVINO = """
import json, resource, sys, time
import numpy as np
import openvino
core = openvino.Core()
start = time.perf_counter(); model = core.compile_model(core.read_model(sys.argv[1]), "CPU"); load = time.perf_counter() - start
request = model.create_infer_request()
inputs = {}
for port in model.inputs:
    shape = [d.get_length() if d.is_static else 1 for d in port.partial_shape]
    inputs[port] = np.zeros(shape, port.element_type.to_dtype())
start = time.perf_counter(); request.infer(inputs); first = time.perf_counter() - start
print(json.dumps({"load_ms": load * 1e3, "first_ms": first * 1e3,
                  "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""
MAKERS = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
name, folder = sys.argv[1:]
rng = np.random.default_rng(1)

def weight(*shape):
    return tf.Variable(rng.normal(0, 0.02, shape).astype(np.float32))

class Dense(tf.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.kernel, self.bias = weight(inputs, outputs), weight(outputs)

    def __call__(self, x):
        return tf.matmul(x, self.kernel) + self.bias

class Norm(tf.Module):
    def __init__(self, n):
        super().__init__()
        self.scale, self.offset = weight(n), weight(n)

    def __call__(self, x):
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        return (x - mean) * tf.math.rsqrt(variance + 1e-12) * self.scale + self.offset

class Bert(tf.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places, self.norm = weight(30522, 768), weight(512, 768), Norm(768)
        self.layers = [[Dense(768, 768) for _ in range(4)] + [Norm(768), Dense(768, 3072), Dense(3072, 768), Norm(768)] for _ in range(12)]

    @tf.function(input_signature=[tf.TensorSpec([None, 128], tf.int32, "ids")])
    def call(self, ids):
        x = self.norm(tf.gather(self.words, ids) + self.places[:128])
        batch = tf.shape(ids)[0]
        heads = lambda x: tf.transpose(tf.reshape(x, [batch, 128, 12, 64]), [0, 2, 1, 3])
        for q, k, v, out, norm, wide, narrow, last in self.layers:
            rows = tf.reshape(x, [-1, 768])
            scores = tf.nn.softmax(tf.matmul(heads(q(rows)), heads(k(rows)), transpose_b=True) / 8.0)
            joined = tf.reshape(tf.transpose(tf.matmul(scores, heads(v(rows))), [0, 2, 1, 3]), [-1, 768])
            rows = norm(rows + out(joined))
            y = wide(rows)
            rows = last(rows + narrow(y * 0.5 * (1.0 + tf.math.erf(y / np.float32(np.sqrt(2.0))))))
            x = tf.reshape(rows, [batch, 128, 768])
        return {"pooled": tf.reduce_mean(x, 1)}

class Layers(tf.Module):
    def __init__(self):
        super().__init__()
        self.kernels = [weight(8192, 8192) for _ in range(4)]

    @tf.function(input_signature=[tf.TensorSpec([None, 8192], tf.float32, "x")])
    def call(self, x):
        for kernel in self.kernels:
            x = tf.nn.relu(tf.matmul(x, kernel))
        return {"y": x}

if name == "resnet50":
    model = tf.keras.applications.ResNet50(weights=None)
    call = tf.function(lambda x: {"y": model(x, training=False)}, input_signature=[tf.TensorSpec([None, 224, 224, 3], tf.float32, "x")])
    module = tf.Module()
    module.model, module.call = model, call
    tf.saved_model.save(module, folder, signatures=call)
else:
    module = Bert() if name == "bert_base" else Layers()
    tf.saved_model.save(module, folder, signatures=module.call)
"""


def measured(command, n_runs=5):
    """The medians of what a program's last lines say, and of the whole process; milliseconds and MiB. `None` if it fails."""
    results = []
    for _ in range(n_runs + 1):
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        whole = (time.perf_counter() - start) * 1e3
        if done.returncode:
            return None
        said = json.loads(done.stdout[done.stdout.index("{"):])
        if "peak_memory_bytes" in said:
            said["memory_mib"] = said["peak_memory_bytes"] / 2**20
        results.append([said["load_ms"], said["first_ms"], whole, said["memory_mib"]])
    return [statistics.median(column) for column in zip(*results[1:])]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("--flowkeep", type=pathlib.Path, default=ROOT / "target/release/flowkeep")
    parser.add_argument("--openvino", type=pathlib.Path, help="a Python with openvino")
    parser.add_argument("--only", choices=["resnet50", "bert_base", "one_gib"])
    arguments = parser.parse_args()
    arguments.models.mkdir(parents=True, exist_ok=True)
    print("| model | weights, MiB | | load, ms | first run, ms | cold to result, ms | peak memory, MiB |\n|---|---|---|---|---|---|---|")
    for name in ("resnet50", "bert_base", "one_gib"):
        if arguments.only not in (None, name):
            continue
        folder = arguments.models / name
        if not folder.exists():
            subprocess.run([sys.executable, "-c", MAKERS, name, str(folder)], check=True, stderr=subprocess.DEVNULL)
        mib = sum(file.stat().st_size for file in (folder / "variables").glob("*.data-*")) / 2**20
        ours = [str(arguments.flowkeep), "bench", "--dir", str(folder), "--zeros", "--warmup=0", "--runs=1", "--format=json"]
        programs = {"Flowkeep": ours, "TensorFlow": [sys.executable, "-c", TENSORFLOW, str(folder)]}
        if arguments.openvino:
            programs["OpenVINO"] = [str(arguments.openvino), "-c", OPENVINO, str(folder)]
        for program, command in programs.items():
            medians = measured(command) or ["fails"] * 4
            figures = " | ".join(figure if isinstance(figure, str) else f"{figure:.1f}" for figure in medians)
            print(f"| {name} | {mib:.0f} | {program} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
