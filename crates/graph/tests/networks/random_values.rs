//! Random tensors, initializers and seeds.

use flowkeep_graph::Error;
use flowkeep_graph::builder::{Distribution, FanMode, Initializer, Scope, VariableOptions};
use flowkeep_tensor::{DType, Tensor};

pub(crate) fn random_values(scope: &mut Scope) -> Result<(), Error> {
    scope.set_random_seed(Some(3));
    scope.random_uniform([2i32, 3], -1.0..2.0, DType::F32, None)?;
    scope.with_op_name("dice").random_uniform([4i32], 0.0..10.0, DType::I32, None)?;
    scope.random_normal([2i32], 1.0, 0.5, DType::F64, Some(9))?;
    scope.with_op_name("cut").truncated_normal([3i32], 0.0, 1.0, DType::F32, None)?;
    let glorot_normal = Initializer::VarianceScaling {
        scale: 1.0,
        mode: FanMode::FanAvg,
        distribution: Distribution::TruncatedNormal,
        seed: Some(1),
    };
    let fan_out = Initializer::VarianceScaling {
        scale: 0.5,
        mode: FanMode::FanOut,
        distribution: Distribution::UntruncatedNormal,
        seed: None,
    };
    let uniform = Initializer::RandomUniform { min: -0.5, max: 0.5, seed: None };
    let initializers = [Initializer::glorot_uniform(), glorot_normal, fan_out, uniform];
    for (idx, initializer) in initializers.into_iter().enumerate() {
        let options = VariableOptions::new().shape([3, 3, 2, 4]).initializer(initializer);
        scope.get_variable(&format!("v{idx}"), options)?;
    }
    let of = |dims: &[usize]| VariableOptions::new().shape(dims);
    scope.get_variable("large", of(&[100, 20]).initializer(Initializer::Ones))?;
    scope.get_variable("int", of(&[3]).dtype(DType::I64))?;
    scope.get_variable("string", of(&[3]).dtype(DType::String))?;
    let value = scope.constant(Tensor::from_elements(vec![1.0f32, 2.0]))?;
    scope.get_variable("value", VariableOptions::new().initializer(value))?;
    let value = scope.constant(Tensor::from_elements(vec![3i32, 4]))?;
    let options = VariableOptions::new().initializer(value).use_resource(false);
    scope.with_op_name("tensor").variable(options.validate_shape(false))?;
    Ok(())
}
