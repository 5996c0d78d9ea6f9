//! Steps of each optimizer.

use flowkeep_graph::builder::{Initializer, Partitioner, Reuse, Scope, Variable, VariableOptions};
use flowkeep_graph::builder::{VariableOrParts, VariableScopeOptions};
use flowkeep_graph::gradients::{Gradient, IndexedSlices};
use flowkeep_graph::optimizers::{
    Adadelta, Adagrad, AdagradDa, Adam, Ftrl, GradientDescent, Hyper, Momentum, Optimizer,
    ProximalAdagrad, ProximalGradientDescent, RmsProp,
};
use flowkeep_graph::{Error, Output};
use flowkeep_tensor::{DType, Tensor};

use super::Case;

pub(crate) type Gradients = Vec<(Option<Gradient>, Variable)>;

/// Three variables, of which the last one is updated sparsely, and their gradients.
pub(crate) fn variables(
    scope: &mut Scope,
    use_resource: bool,
    dtype: DType,
) -> Result<Gradients, Error> {
    let options = |dims: &[usize]| {
        let options = VariableOptions::new().shape(dims).dtype(dtype);
        options.initializer(Initializer::Zeros).use_resource(use_resource)
    };
    let w = scope.get_variable("w", options(&[4, 3]))?;
    let b = scope.variable_scope("layer")?.get_variable("b", options(&[3]))?;
    let e = scope.get_variable("e", options(&[5, 2]))?;
    let gw = scope.with_op_name("gw").placeholder(dtype, [Some(4), Some(3)])?;
    let gb = scope.with_op_name("gb").placeholder(dtype, [Some(3)])?;
    let values = scope.with_op_name("values").placeholder(dtype, [None, Some(2)])?;
    let indices = scope.with_op_name("indices").placeholder(DType::I32, [None])?;
    let rows = IndexedSlices { values, indices, dense_shape: None };
    Ok(vec![(Some(gw.into()), w), (Some(gb.into()), b), (Some(rows.into()), e)])
}

/// A variable that counts steps.
pub(crate) fn step_of(scope: &mut Scope, use_resource: bool) -> Result<Variable, Error> {
    let options = VariableOptions::new().shape([]).dtype(DType::I64).trainable(false);
    let options = options.initializer(Initializer::Zeros).use_resource(use_resource);
    scope.get_variable("step", options)
}

/// Makes an optimizer: with its defaults, or with other numbers and a learning rate.
type Make = fn(Option<Output>, &Variable) -> Optimizer;

const OPTIMIZERS: [(&str, Make); 12] = [
    ("gradient_descent", |rate, _| {
        GradientDescent::new(rate.map_or(Hyper::from(0.5), Hyper::from)).into()
    }),
    ("momentum", |rate, _| match rate {
        None => Momentum::new(0.5, 0.9).into(),
        Some(rate) => Momentum { use_nesterov: true, ..Momentum::new(rate, 0.75) }.into(),
    }),
    ("adam", |rate, _| match rate {
        None => Adam::default().into(),
        Some(rate) => Adam {
            learning_rate: rate.into(),
            beta1: 0.8.into(),
            beta2: 0.95.into(),
            epsilon: 1e-4.into(),
        }
        .into(),
    }),
    ("adagrad", |rate, _| match rate {
        None => Adagrad::new(0.5).into(),
        Some(rate) => Adagrad { initial_accumulator_value: 0.3, ..Adagrad::new(rate) }.into(),
    }),
    ("adagrad_da", |rate, step| match rate {
        None => AdagradDa::new(0.5, step).into(),
        Some(rate) => AdagradDa {
            initial_gradient_squared_accumulator_value: 0.3,
            l1_regularization_strength: 0.01,
            l2_regularization_strength: 0.02,
            ..AdagradDa::new(rate, step)
        }
        .into(),
    }),
    ("adadelta", |rate, _| match rate {
        None => Adadelta::default().into(),
        Some(rate) => {
            Adadelta { learning_rate: rate.into(), rho: 0.8.into(), epsilon: 1e-4.into() }.into()
        }
    }),
    ("rms_prop", |rate, _| rms_prop(rate, false)),
    ("centered_rms_prop", |rate, _| rms_prop(rate, true)),
    ("ftrl", |rate, _| match rate {
        None => Ftrl::new(0.5).into(),
        Some(rate) => Ftrl {
            learning_rate_power: -0.75,
            initial_accumulator_value: 0.3,
            l1_regularization_strength: 0.01,
            l2_regularization_strength: 0.02,
            ..Ftrl::new(rate)
        }
        .into(),
    }),
    ("ftrl_shrunk", |rate, _| match rate {
        None => Ftrl { l2_shrinkage_regularization_strength: 0.1, ..Ftrl::new(0.5) }.into(),
        Some(rate) => Ftrl {
            beta: 0.25,
            accum_name: Some("A".to_owned()),
            linear_name: Some("L".to_owned()),
            l2_shrinkage_regularization_strength: 0.1,
            ..Ftrl::new(rate)
        }
        .into(),
    }),
    ("proximal_gradient_descent", |_, _| ProximalGradientDescent::new(0.5).into()),
    ("proximal_adagrad", |_, _| ProximalAdagrad::new(0.5).into()),
];

fn rms_prop(rate: Option<Output>, centered: bool) -> Optimizer {
    match rate {
        None => RmsProp { centered, ..RmsProp::new(0.5) }.into(),
        Some(rate) => RmsProp {
            learning_rate: rate.into(),
            decay: 0.8.into(),
            momentum: 0.5.into(),
            epsilon: 1e-4.into(),
            centered,
        }
        .into(),
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, make) in OPTIMIZERS {
        for (kind, use_resource) in [("ref", false), ("resource", true)] {
            cases.push(Case::new(format!("{name}_{kind}"), move |scope| {
                let gradients = variables(scope, use_resource, DType::F32)?;
                let step = step_of(scope, use_resource)?;
                make(None, &step).apply_gradients(scope, &gradients, Some(&step), None)?;
                Ok(())
            }));
            if name.starts_with("proximal") {
                continue;
            }
            cases.push(Case::new(format!("{name}_other_{kind}"), move |scope| {
                let gradients = variables(scope, use_resource, DType::F64)?;
                let step = step_of(scope, use_resource)?;
                let rate = scope.with_op_name("rate").placeholder(DType::F32, [])?;
                let mut optimizer = make(Some(rate), &step).named("Mine").use_locking(true);
                optimizer.apply_gradients(scope, &gradients, None, Some("go"))?;
                Ok(())
            }));
        }
    }
    cases.extend(Case::both("proximal_others", proximal_others));
    cases.extend(Case::both("partitioned", partitioned));
    cases.extend(Case::both("scopes", scopes));
    cases.extend(Case::both("twice", twice));
    cases
}

fn proximal_others(scope: &mut Scope, use_resource: bool) -> Result<(), Error> {
    let gradients = variables(scope, use_resource, DType::F64)?;
    let [one, two, three, four] =
        [0.25, 0.5, 0.125, 0.75].map(|x| Hyper::from(Tensor::scalar::<f64>(x)));
    let descent = ProximalGradientDescent {
        learning_rate: one.clone(),
        l1_regularization_strength: two.clone(),
        l2_regularization_strength: three,
    };
    Optimizer::new(descent).use_locking(true).apply_gradients(scope, &gradients, None, None)?;
    let adagrad = ProximalAdagrad {
        learning_rate: one,
        initial_accumulator_value: 0.75,
        l1_regularization_strength: two,
        l2_regularization_strength: four,
    };
    let mut adagrad = Optimizer::new(adagrad).use_locking(true);
    adagrad.apply_gradients(scope, &gradients[..2], None, None)?;
    Ok(())
}

fn partitioned(scope: &mut Scope, use_resource: bool) -> Result<(), Error> {
    let options = VariableOptions::new().shape([5, 3]).initializer(Initializer::Zeros);
    let partitioner = Partitioner::fixed_size(2, 0);
    let mut net = VariableScopeOptions::default();
    net.defaults.partitioner = Some(partitioner);
    let p = scope
        .variable_scope_with("net", net)?
        .get_variable_or_parts("p", options.use_resource(use_resource))?;
    let VariableOrParts::Parts(p) = p else { panic!("p is in parts") };
    let mut gradients = Gradients::new();
    for part in p.parts() {
        let gradient = scope.placeholder_of(DType::F32, part.shape().clone())?;
        gradients.push((Some(gradient.into()), part.clone()));
    }
    {
        let mut train = scope.variable_scope("train")?;
        Optimizer::new(Adam::default()).apply_gradients(&mut train, &gradients, None, None)?;
    }
    Optimizer::new(ProximalAdagrad::new(0.5)).apply_gradients(scope, &gradients, None, None)?;
    Optimizer::new(RmsProp::new(0.5)).apply_gradients(scope, &gradients, None, None)?;
    Ok(())
}

fn scopes(scope: &mut Scope, use_resource: bool) -> Result<(), Error> {
    let (gradients, step) = {
        let mut device = scope.device("/cpu:1")?;
        let gradients = variables(&mut device, use_resource, DType::F32)?;
        (gradients, device.get_or_create_global_step()?)
    };
    assert_eq!(scope.get_or_create_global_step()?, step);
    let Some(Gradient::Dense(first)) = gradients[0].0 else { panic!("the first is dense") };
    {
        let mut inner = scope.name_scope("training")?;
        let mut inner = inner.variable_scope("scope")?;
        let mut inner = inner.device("/cpu:0")?;
        let mut inner = inner.control_dependencies([first])?;
        Optimizer::new(Adam::new(0.25)).apply_gradients(
            &mut inner,
            &gradients,
            Some(&step),
            None,
        )?;
        Optimizer::new(Momentum::new(0.25, 0.5)).apply_gradients(
            &mut inner,
            &gradients[..1],
            Some(&step),
            Some("second"),
        )?;
        let mut averaging = Optimizer::new(AdagradDa::new(0.5, &step));
        averaging.apply_gradients(&mut inner, &gradients, Some(&step), None)?;
    }
    let again = VariableScopeOptions { reuse: Some(Reuse::Auto), ..Default::default() };
    let mut again = scope.variable_scope_with("scope", again)?;
    Optimizer::new(Adagrad::new(0.25)).apply_gradients(&mut again, &gradients[..1], None, None)?;
    Ok(())
}

fn twice(scope: &mut Scope, use_resource: bool) -> Result<(), Error> {
    let gradients = variables(scope, use_resource, DType::F32)?;
    let mut adam = Optimizer::new(Adam::default());
    adam.apply_gradients(scope, &gradients[..1], None, None)?;
    let mut others = gradients.clone();
    others[0].0 = None;
    adam.apply_gradients(scope, &others, None, None)?;
    let mut other = Optimizer::new(Adam::default());
    other.apply_gradients(scope, &gradients[..2], None, None)?;
    let rate = scope.with_op_name("rate").placeholder(DType::F64, [])?;
    let momentum = scope.with_op_name("momentum").placeholder(DType::F32, [])?;
    let mut momentum = Optimizer::new(Momentum::new(rate, momentum));
    momentum.apply_gradients(scope, &gradients, None, None)?;
    let options = VariableOptions::new().shape([]).initializer(Initializer::Ones);
    let options = options.trainable(false).use_resource(use_resource);
    let rate = scope.get_variable("rate_variable", options)?;
    let mut descent = Optimizer::new(GradientDescent::new(&rate));
    descent.apply_gradients(scope, &gradients, None, None)?;
    adam.apply_gradients(scope, &gradients, None, Some("training/adam"))?;
    assert_eq!(adam.slot_names(), ["m", "v"]);
    assert_eq!(adam.variables(scope.graph()).len(), 8);
    Ok(())
}
