"""Checkpoints in every form, made by TensorFlow's own savers: {form: function from a folder to the prefix}."""
import checkpoints
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
DEVICES = v1.ConfigProto(device_count={"CPU": 3})
TABLE = np.arange(60, dtype=np.float32).reshape(12, 5) / 7


def tensors(folder, version=2):
    """A tensor of every type, by the bare op."""
    every = checkpoints.every_tensor()
    if version == 1:
        every = {name: tensor for name, tensor in every.items() if tensor.dtype.name in checkpoints.V1_TYPES}
    checkpoints.save(folder / "m", every, version)
    return str(folder / "m")


def graph(folder, *, version=2, sharded=False):
    """A graph with a partitioned variable on several devices, and its MetaGraph."""
    with tf.Graph().as_default(), v1.Session(config=DEVICES) as session:
        parts = v1.get_variable(
            "table", initializer=tf.constant(TABLE), partitioner=v1.fixed_size_partitioner(3), use_resource=False
        )
        for idx, part in enumerate(parts):
            part.op._set_device(f"/device:CPU:{idx}")
        v1.get_variable("scope/names", initializer=tf.constant(["a", "", "c'd"]))
        v1.train.create_global_step()
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(sharded=sharded, write_version=version)
        return saver.save(session, str(folder / "model.ckpt"), global_step=3)


def network():
    """Objects with variables, an optimizer of TensorFlow 1 that has slots, and one of Keras."""
    model = tf.Module()
    model.layers = [tf.Variable([[1.0, 2.0], [3.0, 4.0]], name="kernel"), {"a/b.c": tf.Variable([5.0, 6.0], name="bias")}]
    variables = [model.layers[0], model.layers[1]["a/b.c"]]
    adam = v1.train.AdamOptimizer(0.1)
    adam.minimize(lambda: tf.add_n([tf.reduce_sum(variable**2) for variable in variables]), var_list=variables)
    momentum = tf.keras.optimizers.SGD(0.1, momentum=0.9)
    momentum.apply_gradients([(tf.ones_like(variable), variable) for variable in variables])
    return tf.train.Checkpoint(model=model, adam=adam, momentum=momentum, step=tf.Variable(7, dtype=tf.int64))


def objects(folder):
    """A tf.train.Checkpoint of a model with optimizers."""
    return network().save(str(folder / "model"))


def managed(folder):
    """The latest of several that a tf.train.CheckpointManager keeps."""
    manager = tf.train.CheckpointManager(network(), str(folder), max_to_keep=2)
    for _ in range(3):
        manager.save()
    return manager.latest_checkpoint


def saved_model(folder):
    """The variables of a SavedModel."""
    tf.saved_model.save(network().model, str(folder))
    return str(folder / "variables" / "variables")


FORMS = {
    "tensors": tensors,
    "tensors_v1": lambda folder: tensors(folder, version=1),
    "partitioned": graph,
    "partitioned_v1": lambda folder: graph(folder, version=1),
    "sharded": lambda folder: graph(folder, sharded=True),
    "sharded_v1": lambda folder: graph(folder, version=1, sharded=True),
    "objects": objects,
    "managed": managed,
    "saved_model": saved_model,
}


def make(form, folder):
    """Makes the folder and the checkpoint in it; returns its prefix."""
    folder.mkdir()
    return FORMS[form](folder)
