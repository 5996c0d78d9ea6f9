//! Scopes of all kinds.

use flowkeep_graph::builder::{
    Initializer, MatMulOptions, Partitioner, Reuse, Scope, ScopeTarget, Variable, VariableOptions,
    VariableScopeOptions,
};
use flowkeep_graph::{Error, Output};
use flowkeep_tensor::{DType, Tensor};

fn layer(scope: &mut Scope, x: Output, size: usize) -> Result<Output, Error> {
    let dims = scope.shape(x).to_shape().unwrap();
    let shape = [dims.dims()[dims.rank() - 1], size];
    let w = scope.get_variable("w", VariableOptions::new().shape(shape))?;
    let product = scope.matmul(x, &w)?;
    scope.tanh(product)
}

fn reusing(reuse: Reuse) -> VariableScopeOptions {
    VariableScopeOptions { reuse: Some(reuse), ..Default::default() }
}

pub(crate) fn scopes(scope: &mut Scope) -> Result<(), Error> {
    scope.disable_resource_variables();
    let x = scope.placeholder(DType::F32, [Some(2), Some(3)])?;
    let (a, mut c) = {
        let mut model = scope.name_scope("model")?;
        let mut model = model.device("/job:ps")?;
        let mut inner = model.variable_scope("shared")?;
        let shared = inner.current_variable_scope().clone();
        let a = layer(&mut inner, x, 3)?;
        drop(inner);
        let b = layer(&mut *model.variable_scope_with(&shared, reusing(Reuse::Yes))?, a, 3)?;
        let mut inner = model.variable_scope_with("shared", reusing(Reuse::Auto))?;
        let mut inner = inner.device("/gpu:1")?;
        let c = layer(&mut inner, b, 3)?;
        inner.get_variable(
            "late",
            VariableOptions::new().shape([2]).initializer(Initializer::Ones),
        )?;
        (a, c)
    };
    for _ in 0..2 {
        c = layer(&mut *scope.variable_scope(ScopeTarget::Default("block"))?, c, 3)?;
    }
    let parts = {
        let mut options = VariableScopeOptions::default();
        options.defaults.partitioner = Some(Partitioner::fixed_size(2, 0));
        let mut parts = scope.variable_scope_with("parts", options)?;
        let normal = VariableOptions::new().shape([5, 3]).initializer(Initializer::glorot_normal());
        let p = parts.get_partitioned_variable("p", normal)?;
        let value = parts.read_parts(&p)?;
        let turned = MatMulOptions { transpose_b: true, ..Default::default() };
        parts.matmul_with(value, c, turned)?;
        let one = VariableOptions::new().shape([1, 3]).partitioner(Partitioner::fixed_size(1, 0));
        let one = parts.get_partitioned_variable("one", one)?;
        let value = parts.read_parts(&one)?;
        let value = parts.identity(value)?;
        parts.relu(value)?;
        [p, one]
    };
    let d = {
        let mut after = scope.control_dependencies([c])?;
        let mut beside = after.colocate_with(&parts[0].parts()[1])?;
        beside.with_op_name("late").identity(a)?
    };
    let e = scope.name_scope("model/")?.with_op_name("difference").sub(d, c)?;
    let f = {
        let mut after = scope.control_dependencies([e])?;
        after.without_control_dependencies().with_op_name("free").no_op()?;
        after.with_op_name("both").group([d, e])?
    };
    let g = scope.device("/cpu:0")?.no_op()?;
    scope.group([f, g])?;
    {
        let mut inner = scope.container("box");
        let boxed = VariableOptions::new().initializer(Tensor::from_elements(vec![1i32, 2]));
        inner.with_op_name("boxed").variable(boxed)?;
    }
    let parts: Vec<Variable> =
        parts.iter().flat_map(|variable| variable.parts().to_vec()).collect();
    scope.with_op_name("init_parts").variables_initializer(&parts)?;
    scope.local_variables_initializer()?;
    Ok(())
}
