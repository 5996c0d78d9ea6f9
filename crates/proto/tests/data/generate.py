"""Makes the golden files of this folder with TensorFlow 2.21 (see README.md).

Usage: python generate.py, from this folder, with `pip install tensorflow==2.21`.
"""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from google.protobuf import any_pb2, text_format
from tensorflow.core.framework import (
    attr_value_pb2, graph_debug_info_pb2, graph_pb2, node_def_pb2, tensor_pb2, variable_pb2)
from tensorflow.core.example import example_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2, struct_pb2
from tensorflow.core.protobuf import trackable_object_graph_pb2
from tensorflow.python.training import checkpoint_state_pb2

tf1 = tf.compat.v1


def write(name, message):
    """Writes a message in binary (sorted maps) and as text."""
    with open(name + ".pb", "wb") as f:
        f.write(message.SerializeToString(deterministic=True))
    with open(name + ".pbtxt", "w", encoding="utf-8") as f:
        f.write(text_format.MessageToString(message))


def graph_def():
    """A graph with a function library and constants of most types."""
    with tf.Graph().as_default() as graph:
        x = tf1.placeholder(tf.float32, [None, 3], name="x")
        for dtype, value in [
            (tf.float32, [0.1, -1e20, 1.4e-45]), (tf.float64, [0.1, 1e300]), (tf.int8, -3),
            (tf.int64, 2**62), (tf.uint64, 2**64 - 1), (tf.bool, [True, False]),
            (tf.string, [b"caf\xc3\xa9", b"\x00\xff\n\"'\\"]), (tf.complex64, 1 - 2j),
            (tf.float16, 0.5), (tf.bfloat16, 1.5), (tf.uint16, [1, 65535]),
        ]:
            tf.constant(value, dtype, name="c_" + dtype.name)

        @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
        def scaled(v):
            return tf.matmul(v, tf.eye(3)) * 2.0

        y = scaled(x)
        with tf.control_dependencies([tf.no_op("gate")]), tf.device("/device:CPU:0"):
            tf.identity(y, name="y")
    return graph.as_graph_def()


def saved_model():
    """A TF1 SavedModel with an asset, which is kept as an Any, and a signature."""
    path = os.path.join(tf1.test.get_temp_dir(), "golden_saved_model")
    tf.io.gfile.makedirs(tf1.test.get_temp_dir())
    asset = os.path.join(tf1.test.get_temp_dir(), "vocab.txt")
    tf.io.write_file(asset, "a\n")
    if tf.io.gfile.exists(path):
        tf.io.gfile.rmtree(path)
    with tf.Graph().as_default(), tf1.Session() as sess:
        x = tf1.placeholder(tf.float32, [None], name="x")
        v = tf1.get_variable("v", initializer=2.0, use_resource=True)
        y = tf.multiply(x, v, name="y")
        name = tf.constant("vocab.txt", name="asset")
        tf1.add_to_collection(tf1.GraphKeys.ASSET_FILEPATHS, name)
        sess.run(tf1.global_variables_initializer())
        builder = tf1.saved_model.Builder(path)
        os.chdir(tf1.test.get_temp_dir())
        builder.add_meta_graph_and_variables(
            sess, ["serve", "cpu"],
            {"serving_default": tf1.saved_model.predict_signature_def({"x": x}, {"y": y})},
            assets_collection=tf1.get_collection(tf1.GraphKeys.ASSET_FILEPATHS))
        builder.save()
    model = saved_model_pb2.SavedModel()
    with open(os.path.join(path, "saved_model.pb"), "rb") as f:
        model.ParseFromString(f.read())
    return model


def checkpoint_state():
    return checkpoint_state_pb2.CheckpointState(
        model_checkpoint_path="m \"q\" 'a' \u00e9\t-3",
        all_model_checkpoint_paths=["m-2", "m \"q\" 'a' \u00e9\t-3", "back\\slash\x01\x7f"],
        all_model_checkpoint_timestamps=[1009600.0, 1e16, 1e-7, float("inf"), 0.1],
        last_preserved_timestamp=1007200.5)


# Reader, message, text. Where the words of the refusal are not the reader's own but Python's,
# the reader is marked with "~": then only the refusal counts.
CASES = [
    # Layout.
    ("parse", "NodeDef", ""),
    ("parse", "NodeDef", " \n\t# only a comment"),
    ("parse", "NodeDef", "name:'a'op:'b'input:'c'"),
    ("parse", "NodeDef", "name: 'a', op: 'b'; device: 'd';"),
    ("parse", "NodeDef", "name: 'a',, op: 'b'"),
    ("parse", "NodeDef", "# c1\nname: # c2 'x'\n 'a' # c3\n 'b'"),
    ("parse", "NodeDef", "name 'a'"),
    ("parse", "NodeDef", "name: {}"),
    ("parse", "NodeDef", "name: a"),
    ("parse", "NodeDef", "name: 'a\nb'"),
    ("parse", "NodeDef", "name: 'a"),
    ("parse", "NodeDef", "name: "),
    ("parse", "NodeDef", "name"),
    ("parse", "NodeDef", "{}"),
    ("parse", "NodeDef", "}"),
    ("parse", "NodeDef", "nam: 'a'"),
    ("parse", "NodeDef", "Name: 'a'"),
    ("parse", "NodeDef", "1: 'a'"),
    ("parse", "NodeDef", "-1: 'a'"),
    ("parse", "NodeDef", "[tensorflow.x]: 1"),
    ("parse", "NodeDef", "name: 'a'\n  op: 'b'\n\tfoo: 1"),
    ("~parse", "NodeDef", "name: '\\xff'"),
    ("parse", "AttrValue", "s: '\\xff\\0'"),
    ("parse", "AttrValue", "s: '\u00e9' \"\\u00e9\" '\\351'"),
    ("~parse", "AttrValue", "s: '\\x'"),
    ("~parse", "AttrValue", "s: '\\400'"),
    # Lists.
    ("parse", "NodeDef", "input: ['a', 'b' 'c'] input: 'd' input: []"),
    ("parse", "NodeDef", "input: ['a',]"),
    ("parse", "NodeDef", "input: ['a' , , 'b']"),
    ("parse", "NodeDef", "input: ['a'"),
    ("parse", "NodeDef", "name: ['a']"),
    ("parse", "TensorShapeProto", "dim [{size: 1}, {size: -1 name: 'n'}] dim: [<>] dim {}"),
    ("parse", "TensorShapeProto", "dim: [1]"),
    ("parse", "TensorProto", "int_val: [1, 2] int_val: -3 dtype: DT_INT32 int_val: 4"),
    ("parse", "TensorProto", "float_val: [1, .5f, -inf, nan, 1e40] double_val: 1e40"),
    ("parse", "TensorProto", "bool_val: [true, True, t, 1, false, False, f, 0]"),
    ("parse", "TensorProto", "bool_val: TRUE"),
    ("parse", "TensorProto", "bool_val: 2"),
    ("parse", "TensorProto", "string_val: ['\\001', 'b'] tensor_content: '\\377\\376'"),
    # Numbers.
    ("parse", "TensorProto", "int_val: [0x7fffffff, -0x80000000, 017, -010, +5]"),
    ("parse", "TensorProto", "int_val: 2147483648"),
    ("parse", "TensorProto", "int_val: -2147483649"),
    ("parse", "TensorProto", "uint32_val: -1"),
    ("parse", "TensorProto", "uint32_val: 4294967296"),
    ("parse", "TensorProto", "uint64_val: 18446744073709551615"),
    ("parse", "TensorProto", "uint64_val: 18446744073709551616"),
    ("parse", "TensorProto", "int64_val: [-9223372036854775808, 9223372036854775807]"),
    ("parse", "TensorProto", "int64_val: 9223372036854775808"),
    ("parse", "TensorProto", "int_val: - 5"),
    ("parse", "TensorProto", "int_val: 1.0"),
    ("parse", "TensorProto", "int_val: 08"),
    ("parse", "TensorProto", "int_val: '1'"),
    ("parse", "TensorProto", "float_val: 01.5"),
    ("parse", "TensorProto", "float_val: 0x10"),
    ("parse", "TensorProto", "float_val: '1'"),
    ("parse", "TensorProto", "float_val: 0.100000001490116119384765625"),
    ("parse", "TensorProto", "float_val: [3.4028235e38, 3.40282357e38, 1.4e-45, 1e-46, -0.0]"),
    ("parse", "StructuredValue", "int64_value: -7"),
    ("parse", "StructuredValue", "tensor_dtype_value: DT_INT8"),
    # Enums.
    ("parse", "TensorProto", "dtype: 3"),
    ("parse", "TensorProto", "dtype: 0x3"),
    ("parse", "TensorProto", "dtype: 77"),
    ("parse", "TensorProto", "dtype: DT_FLOTA"),
    ("parse", "TensorProto", "dtype: dt_float"),
    # Messages.
    ("parse", "NodeDef", "attr { key: 'T' value { type: DT_FLOAT } } attr < key: 'U' value: < i: 1 > >"),
    ("parse", "NodeDef", "attr { key: 'T' value { i: 1 } } attr { key: 'T' value { i: 2 } }"),
    ("parse", "NodeDef", "attr { value { i: 1 } } attr { key: 'T' }"),
    ("parse", "NodeDef", "attr [{ key: 'T' value { b: true } }, { key: 'S' }]"),
    ("parse", "NodeDef", "attr { key: 'T' value { i: 1 > }"),
    ("parse", "NodeDef", "attr { key: 'T' value { i: 1 }"),
    ("parse", "NodeDef", "attr { key: 'T' key: 'U' }"),
    ("parse", "NodeDef", "attr: 'T'"),
    ("parse", "FunctionDef", "arg_attr { key: 3 value {} } resource_arg_unique_id { key: 1 value: 2 }"),
    ("parse", "GraphDebugInfo",
     "files: 'f' frames_by_id { key: 18446744073709551615 value { line: 0 file_index: 0 } } "
     "traces { key: 'a@' value { frame_id: [1, 2] } }"),
    # Singular fields given twice.
    ("parse", "NodeDef", "name: 'a' name: 'b'"),
    ("parse", "NodeDef", "name: '' name: 'b'"),
    ("merge", "NodeDef", "name: 'a' name: 'b'"),
    ("merge", "NodeDef", "name: 'a' name: ''"),
    ("parse", "AttrValue", "i: 1 i: 2"),
    ("parse", "AttrValue", "i: 0 i: 0"),
    ("parse", "AttrValue", "i: 1 f: 2"),
    ("merge", "AttrValue", "i: 1 f: 2"),
    ("parse", "AttrValue", "shape {} i: 2"),
    ("parse", "TensorProto", "tensor_shape {} tensor_shape {}"),
    ("merge", "TensorProto", "tensor_shape { dim { size: 1 } } tensor_shape { dim { size: 2 } }"),
    ("merge", "CheckpointState",
     "model_checkpoint_path: 'a' model_checkpoint_path: 'b' last_preserved_timestamp: 5"),
    # Any.
    ("parse", "CollectionDef",
     "any_list { value { [type.googleapis.com/tensorflow.AssetFileDef] { filename: 'f' } } }"),
    ("parse", "CollectionDef",
     "any_list { value { [ a.b / c.d/tensorflow.SaverDef ]: < sharded: true > } }"),
    ("parse", "CollectionDef", "any_list { value { type_url: 'x/y' value: '\\001' } }"),
    ("~parse", "CollectionDef", "any_list { value { [x/tensorflow.Nope] {} } }"),
    ("parse", "CollectionDef", "any_list { value { [tensorflow.SaverDef] {} } }"),
    ("parse", "CollectionDef", "any_list { value { [/tensorflow.SaverDef] {} } }"),
    ("parse", "CollectionDef", "any_list { value { [x/tensorflow.SaverDef {} } }"),
    # Wrapped and empty messages.
    ("parse", "TrackableObjectGraph", "nodes { has_checkpoint_values { value: true } } nodes { has_checkpoint_values {} }"),
    ("parse", "StructuredValue", "none_value {}"),
    ("parse", "Example", "features { feature { key: 'k' value { int64_list { value: [1, -1] } } } }"),
]

TYPES = {
    "NodeDef": node_def_pb2.NodeDef,
    "AttrValue": attr_value_pb2.AttrValue,
    "TensorShapeProto": tf1.TensorShape([]).as_proto().__class__,
    "TensorProto": tensor_pb2.TensorProto,
    "StructuredValue": struct_pb2.StructuredValue,
    "FunctionDef": graph_pb2.GraphDef().library.function.add().__class__,
    "GraphDebugInfo": graph_debug_info_pb2.GraphDebugInfo,
    "CheckpointState": checkpoint_state_pb2.CheckpointState,
    "CollectionDef": meta_graph_pb2.CollectionDef,
    "TrackableObjectGraph": trackable_object_graph_pb2.TrackableObjectGraph,
    "Example": example_pb2.Example,
}


def escape(text):
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def cases():
    for reader, name, text in CASES:
        message = TYPES[name]()
        read = text_format.Parse if reader.endswith("parse") else text_format.Merge
        try:
            read(text, message)
            wire = message.SerializeToString(deterministic=True).hex()
            outcome = ("ok", wire, escape(text_format.MessageToString(message)))
        except (text_format.ParseError, ValueError) as error:
            words = "" if reader.startswith("~") else escape(str(error))
            outcome = ("error", words, "")
        yield "\t".join([reader.strip("~"), name, escape(text), *outcome])


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    messages = {
        "graph_def": graph_def(),
        "saved_model": saved_model(),
        "checkpoint_state": checkpoint_state(),
    }
    os.chdir(here)
    for name, message in messages.items():
        write(name, message)
    with open("cases.tsv", "w", encoding="utf-8") as f:
        f.write("# reader, message, text, outcome, wire or error, printed; see generate.py\n")
        f.writelines(line + "\n" for line in cases())


if __name__ == "__main__":
    main()
