//! Networks that classify.

use flowkeep_graph::builder::{
    Axes, Conv2dOptions, DataFormat, Distribution, FanMode, Initializer, Padding, PoolOptions,
    Scope, VariableOptions, VariableScopeOptions,
};
use flowkeep_graph::{Error, Output};
use flowkeep_tensor::{DType, Shape};

pub(crate) fn by_ref(scope: &mut Scope) -> Result<(), Error> {
    classifier(scope, false)
}

pub(crate) fn by_resource(scope: &mut Scope) -> Result<(), Error> {
    classifier(scope, true)
}

fn classifier(scope: &mut Scope, use_resource: bool) -> Result<(), Error> {
    let variable = |dims: &[usize]| VariableOptions::new().shape(dims);
    let mut options = VariableScopeOptions::default();
    options.defaults.use_resource = Some(use_resource);

    let x = scope.with_op_name("x").placeholder(DType::F32, [None, Some(4)])?;
    let y = scope.with_op_name("y").placeholder(DType::F32, [None, Some(3)])?;
    let h = {
        let mut hidden = scope.variable_scope_with("hidden", options.clone())?;
        let w = hidden.get_variable("w", variable(&[4, 8]))?;
        let b = hidden.get_variable("b", variable(&[8]).initializer(Initializer::Zeros))?;
        let product = hidden.matmul(x, &w)?;
        let sum = hidden.add(product, &b)?;
        hidden.relu(sum)?
    };
    let (b, logits) = {
        let mut output = scope.variable_scope_with("output", options)?;
        let normal = Initializer::TruncatedNormal { mean: 0.0, stddev: 0.1, seed: Some(7) };
        let w = output.get_variable("w", variable(&[8, 3]).initializer(normal))?;
        let half = Initializer::Constant(0.5);
        let b = output.get_variable("b", variable(&[3]).initializer(half))?;
        let product = output.matmul(h, &w)?;
        let logits = output.with_op_name("logits").bias_add(product, &b)?;
        (b, logits)
    };
    scope.with_op_name("probabilities").softmax(logits)?;
    let losses = scope.softmax_cross_entropy_with_logits(y, logits)?;
    let loss = scope.with_op_name("loss").reduce_mean(losses, Axes::all())?;
    let (predicted, labelled) = (scope.argmax(logits, 1)?, scope.argmax(y, 1)?);
    let correct = scope.equal(predicted, labelled)?;
    let correct = scope.cast(correct, DType::F32)?;
    scope.with_op_name("accuracy").reduce_mean(correct, Axes::all())?;
    let step = VariableOptions::new().initializer(0.0f32).trainable(false);
    let step = scope.with_op_name("step").variable(step.use_resource(use_resource))?;
    {
        let mut after = scope.control_dependencies([loss])?;
        after.with_op_name("count").assign_add(&step, 1.0f32)?;
        let zeros = after.zeros(&Shape::from([3]), DType::F32)?;
        after.assign(&b, zeros)?;
    }
    scope.global_variables_initializer()?;
    Ok(())
}

fn channels(scope: &Scope, x: Output) -> usize {
    let dims = scope.shape(x).dims().unwrap();
    usize::try_from(dims.last().unwrap().unwrap()).unwrap()
}

pub(crate) fn convnet(scope: &mut Scope) -> Result<(), Error> {
    let variable = |dims: &[usize]| VariableOptions::new().shape(dims);
    let image = [None, Some(28), Some(28), Some(1)];
    let images = scope.with_op_name("images").placeholder(DType::F32, image)?;
    let labels = scope.with_op_name("labels").placeholder(DType::I64, [None])?;
    scope.set_random_seed(Some(42));
    let mut x = images;
    for (idx, depth) in [8, 16].into_iter().enumerate() {
        let n_channels = channels(scope, x);
        let mut layer = scope.variable_scope(&*format!("conv{idx}"))?;
        let kernel = layer.get_variable("kernel", variable(&[5, 5, n_channels, depth]))?;
        let zeros = variable(&[depth]).initializer(Initializer::Zeros);
        let bias = layer.get_variable("bias", zeros)?;
        x = layer.conv2d(x, &kernel, Conv2dOptions::new(Padding::Same))?;
        x = layer.bias_add(x, &bias)?;
        x = layer.relu(x)?;
        x = layer.max_pool(x, PoolOptions::new([2, 2], Padding::Valid))?;
    }
    let smooth = PoolOptions { strides: [1, 1], ..PoolOptions::new([2, 2], Padding::Same) };
    x = scope.with_op_name("smooth").avg_pool(x, smooth)?;
    x = scope.reshape(x, [-1i32, 7 * 7 * 16])?;
    let logits = {
        let mut dense = scope.variable_scope("dense")?;
        let scaled = Initializer::VarianceScaling {
            scale: 2.0,
            mode: FanMode::FanIn,
            distribution: Distribution::TruncatedNormal,
            seed: None,
        };
        let w = dense.get_variable("w", variable(&[7 * 7 * 16, 32]).initializer(scaled))?;
        x = dense.matmul(x, &w)?;
        x = dense.elu(x)?;
        x = dense.dropout(x, 0.4, None)?;
        let normal = Initializer::RandomNormal { mean: 0.0, stddev: 0.02, seed: None };
        let w = dense.get_variable("out", variable(&[32, 10]).initializer(normal))?;
        dense.matmul(x, &w)?
    };
    let loss = scope.sparse_softmax_cross_entropy_with_logits(labels, logits)?;
    scope.with_op_name("loss").reduce_mean(loss, Axes::all())?;
    let classes = scope.cast(labels, DType::I32)?;
    scope.in_top_k(logits, classes, 3)?;
    let variables: Vec<_> = scope.collections().variables("trainable_variables").cloned().collect();
    let mut norms = Vec::new();
    for variable in variables {
        norms.push(scope.l2_loss(variable)?);
    }
    let decay = scope.with_op_name("decay").add_n(norms)?;
    let sum = scope.reduce_sum(loss, Axes::all())?;
    let half = scope.with_op_name("mul").mul(decay, 0.5f32)?;
    scope.with_op_name("total").add(sum, half)?;
    let filter = scope.zeros(&Shape::from([3, 3, 1, 2]), DType::F32)?;
    let padding = Padding::Explicit([[1, 1], [2, 0]]);
    let strided = Conv2dOptions { strides: [2, 2], ..Conv2dOptions::new(padding) };
    scope.with_op_name("explicit").conv2d(images, filter, strided)?;
    let turned = scope.transpose(images, [0i32, 3, 1, 2])?;
    let pool = PoolOptions {
        strides: [2, 2],
        data_format: DataFormat::Nchw,
        ..PoolOptions::new([3, 3], Padding::Same)
    };
    scope.max_pool(turned, pool)?;
    scope.global_variables_initializer()?;
    Ok(())
}
