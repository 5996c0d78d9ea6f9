//! What belongs to training beside the optimizers.

use flowkeep_graph::builder::{Axes, Initializer, Operand, Scope, Variable, VariableOptions};
use flowkeep_graph::gradients::{Gradient, IndexedSlices};
use flowkeep_graph::optimizers::{
    Adam, ExponentialMovingAverage, GradientDescent, Minimize, Momentum, Optimizer,
};
use flowkeep_graph::{CollectionItem, Error, Output};
use flowkeep_tensor::DType;

use super::Case;
use super::steps::{step_of, variables};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("clips", clips),
        Case::new("decays", decays),
        Case::new("decays_by_ref", decays_by_ref),
        Case::new("piecewise", piecewise),
    ];
    cases.extend(Case::both("averages", averages));
    cases.push(Case::new("losses", losses));
    cases.push(Case::new("dependent", dependent));
    cases.extend(Case::both("minimized", minimized));
    cases
}

fn clips(scope: &mut Scope) -> Result<(), Error> {
    let a = scope.with_op_name("a").placeholder(DType::F32, [Some(2), Some(3)])?;
    let b = scope.with_op_name("b").placeholder(DType::F32, [Some(4)])?;
    let d = scope.with_op_name("d").placeholder(DType::F64, [])?;
    let values = scope.with_op_name("values").placeholder(DType::F32, [None, Some(2)])?;
    let indices = scope.with_op_name("indices").placeholder(DType::I32, [None])?;
    let rows = Gradient::from(IndexedSlices { values, indices, dense_shape: None });
    let norm = scope.with_op_name("norm").placeholder(DType::F32, [])?;
    let [a, b, d] = [a, b, d].map(Gradient::from);
    scope.clip_by_value(a, -1f32, 1f32)?;
    let clipped = scope.with_op_name("rows").clip_by_value(rows, -1f32, 1f32)?;
    assert!(matches!(clipped, Gradient::Sparse(clipped) if clipped.indices == indices));
    scope.clip_by_norm(a, 2.0, None)?;
    scope.with_op_name("short").clip_by_norm(rows, 2.0, Some(&[0]))?;
    scope.clip_by_norm(d, -1.0, None)?;
    scope.global_norm(&[Some(a), None, Some(rows)])?;
    scope.clip_by_global_norm(&[Some(a), None, Some(rows), Some(b)], 5f32, None)?;
    scope.with_op_name("all").clip_by_global_norm(&[Some(a), Some(b)], norm, Some(norm))?;
    scope.with_op_name("double").clip_by_global_norm(&[Some(d)], 2f64, None)?;
    Ok(())
}

fn decays(scope: &mut Scope) -> Result<(), Error> {
    let step = &scope.get_or_create_global_step()?;
    let rate = scope.with_op_name("rate").placeholder(DType::F64, [])?;
    scope.exponential_decay(0.5, step, 1000, 0.96, false)?;
    scope.with_op_name("falling").exponential_decay(rate, step, 1000, 0.96, true)?;
    scope.natural_exp_decay(0.5, step, 1000, 0.5, false)?;
    scope.with_op_name("natural").natural_exp_decay(0.5, step, 1000, 0.5, true)?;
    scope.inverse_time_decay(0.5, step, 1000, 0.5, false)?;
    scope.inverse_time_decay(rate, step, 1000, 0.5, true)?;
    scope.polynomial_decay(0.5, step, 1000, 0.0001, 1.0, false)?;
    scope.with_op_name("power").polynomial_decay(rate, step, 1000, 0.01, 0.5, false)?;
    scope.polynomial_decay(0.5, step, 1000, 0.01, 2.0, true)?;
    scope.cosine_decay(0.5, step, 1000, 0.0)?;
    scope.with_op_name("cosine").cosine_decay(0.5, step, 1000, 0.25)?;
    scope.linear_cosine_decay(0.5, step, 1000, 0.5, 0.0, 0.001)?;
    scope.linear_cosine_decay(0.5, step, 1000, 2.0, 0.125, 0.25)?;
    let rate = scope.exponential_decay(0.1, step, 100, 0.5, false)?;
    let options = VariableOptions::new().shape([2]).initializer(Initializer::Zeros);
    let w = scope.get_variable("w", options)?;
    let gradient = scope.placeholder(DType::F32, [Some(2)])?;
    let mut momentum = Optimizer::new(Momentum::new(rate, 0.5));
    momentum.apply_gradients(scope, &[(Some(gradient.into()), w)], Some(step), None)?;
    Ok(())
}

fn decays_by_ref(scope: &mut Scope) -> Result<(), Error> {
    let step = &step_of(scope, false)?;
    scope.exponential_decay(0.5, step, 1000, 0.96, false)?;
    scope.polynomial_decay(0.5, step, 1000, 0.0001, 1.0, false)?;
    Ok(())
}

fn piecewise(scope: &mut Scope) -> Result<(), Error> {
    let step = scope.get_or_create_global_step()?;
    scope.piecewise_constant(&step, &[10, 20, 30], &[1.0, 0.5, 0.25, 0.125])?;
    let options = VariableOptions::new().shape([]).dtype(DType::I32).use_resource(false);
    let by_ref = scope.get_variable("by_ref", options.initializer(Initializer::Zeros))?;
    scope.with_op_name("two").piecewise_constant(&by_ref, &[10], &[1.0, 0.5])?;
    Ok(())
}

fn losses(scope: &mut Scope) -> Result<(), Error> {
    let x = scope.with_op_name("x").placeholder(DType::F32, [None, Some(3)])?;
    let y = scope.with_op_name("y").placeholder(DType::F64, [None, Some(3)])?;
    let classes = scope.with_op_name("classes").placeholder(DType::I64, [None])?;
    let known = scope.with_op_name("known").placeholder(DType::F32, [Some(2), Some(3)])?;
    scope.mean_squared_error(y, x, 1.0)?;
    scope.with_op_name("difference").absolute_difference(known, known, 0.5)?;
    scope.sparse_softmax_cross_entropy(classes, x, 1.0)?;
    scope.with_op_name("classes").sparse_softmax_cross_entropy(classes, x, 2.0)?;
    scope.total_loss()?;
    Ok(())
}

fn dependent(scope: &mut Scope) -> Result<(), Error> {
    let by_ref = |value: Initializer| VariableOptions::new().initializer(value).use_resource(false);
    let a = scope.get_variable("a", by_ref([1f32, 2.0].into()))?;
    let twice = scope.with_op_name("mul").mul(&a, 2f32)?;
    let double = scope.with_op_name("double").add(twice, &a)?;
    scope.with_op_name("b").variable(by_ref(double.into()))?;
    let c = {
        let mut inner = scope.name_scope("inner")?;
        let mut inner = inner.device("/cpu:0")?;
        let value = inner.exp(double)?;
        inner.with_op_name("c").variable(by_ref(value.into()).trainable(false))?
    };
    let rows: [Operand; 2] = [(&c).into(), (&a).into()];
    let stacked = scope.stack(rows, 0)?;
    scope.with_op_name("d").variable(by_ref(stacked.into()))?;
    Ok(())
}

fn averages(scope: &mut Scope, use_resource: bool) -> Result<(), Error> {
    let gradients = variables(scope, use_resource, DType::F32)?;
    let [w, b, e] = [0, 1, 2].map(|at: usize| gradients[at].1.clone());
    let step = step_of(scope, use_resource)?;
    let mut momentum = Optimizer::new(Momentum::new(0.5, 0.9));
    let trained = momentum.apply_gradients(scope, &gradients, Some(&step), None)?;
    let mut average = ExponentialMovingAverage::new(0.99).num_updates(&step);
    {
        let mut after = scope.control_dependencies([trained])?;
        average.apply(&mut after, Some(&[w.clone(), b]))?;
    }
    average.apply(scope, Some(&[e, w.clone()]))?;
    let mut other = ExponentialMovingAverage::new(0.5).named("EMA");
    assert_eq!(other.average_name(scope, &w), "w/EMA");
    other.apply(scope, None)?;
    let names: Vec<String> = other
        .variables_to_restore(scope)
        .iter()
        .map(|(name, variable)| format!("{name}={}", scope.graph().node(variable.op()).name()))
        .collect();
    scope.add_to_collection("names", CollectionItem::Str(names.join(",")));
    Ok(())
}

/// A network with a table, two layers and a loss.
fn network(scope: &mut Scope, use_resource: bool) -> Result<Output, Error> {
    let variable = |dims: &[usize], initializer| {
        VariableOptions::new().shape(dims).initializer(initializer).use_resource(use_resource)
    };
    let words = scope.with_op_name("words").placeholder(DType::I32, [None, Some(3)])?;
    let labels = scope.with_op_name("labels").placeholder(DType::I64, [None])?;
    let table = scope.get_variable("table", variable(&[10, 4], Initializer::Ones))?;
    let w = scope.get_variable("w", variable(&[12, 5], Initializer::Ones))?;
    let b = scope.get_variable("b", variable(&[5], Initializer::Zeros))?;
    let x = scope.gather(&table, words, 0)?;
    let x = scope.reshape(x, [-1i32, 12])?;
    let product = scope.matmul(x, &w)?;
    let logits = scope.bias_add(product, &b)?;
    let logits = scope.relu(logits)?;
    let losses = scope.sparse_softmax_cross_entropy_with_logits(labels, logits)?;
    scope.reduce_mean(losses, Axes::all())
}

fn minimized(scope: &mut Scope, use_resource: bool) -> Result<(), Error> {
    let loss = network(scope, use_resource)?;
    let step = scope.get_or_create_global_step()?;
    let mut descent = Optimizer::new(GradientDescent::new(0.5));
    descent.minimize(scope, loss, &Minimize::counting(&step))?;
    let rate = scope.exponential_decay(0.1, &step, 100, 0.5, false)?;
    let minimize = Minimize {
        name: Some("train".to_owned()),
        gate_gradients: false,
        ..Minimize::counting(&step)
    };
    Optimizer::new(Adam::new(rate)).minimize(scope, loss, &minimize)?;
    let mut momentum = Optimizer::new(Momentum::new(0.25, 0.5));
    let trainable: Vec<Variable> =
        scope.collections().variables("trainable_variables").take(2).cloned().collect();
    let grad_loss = Some(scope.placeholder(DType::F32, [])?);
    let minimize = Minimize { var_list: Some(trainable), grad_loss, ..Minimize::default() };
    let gradients = momentum.compute_gradients(scope, loss, &minimize)?;
    let (gradients, variables): (Vec<_>, Vec<_>) = gradients.into_iter().unzip();
    let (clipped, _) = scope.clip_by_global_norm(&gradients, 1f32, None)?;
    let clipped: Vec<_> = clipped.into_iter().zip(variables).collect();
    momentum.apply_gradients(scope, &clipped, Some(&step), None)?;
    Ok(())
}
