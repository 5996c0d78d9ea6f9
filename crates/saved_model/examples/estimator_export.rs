//! A model with heads, exported as Estimators export them: it reads features out of serialized
//! examples, and classifies, regresses and predicts.
//!
//! ```sh
//! estimator_export BASE [EXTRA_FILE]   # prints the new directory, BASE/<seconds since 1970>
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use flowkeep_graph::builder::{Axes, Scope, VariableOptions};
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_saved_model::export::{
    ExportOptions, ExportOutput, FeatureSpec, build_parsing_serving_input_receiver,
    export_saved_model,
};
use flowkeep_saved_model::{SignatureTensor, constants};
use flowkeep_tensor::{DType, Tensor};

#[expect(clippy::print_stdout, reason = "an example that prints")]
fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (base, extra) = match &args[..] {
        [base] => (base, None),
        [base, extra] => (base, Some(extra)),
        _ => return Err("usage: estimator_export BASE [EXTRA_FILE]".into()),
    };
    let mut scope = Scope::new();
    let default = Some(Tensor::from_elements(vec![0.25f32]));
    let with_default = FeatureSpec::FixedLen { shape: [1].into(), dtype: DType::F32, default };
    let features = BTreeMap::from([
        ("x".to_owned(), FeatureSpec::fixed_len([2], DType::F32)),
        ("bias".to_owned(), with_default),
        ("words".to_owned(), FeatureSpec::VarLen { dtype: DType::String }),
    ]);
    let receiver = build_parsing_serving_input_receiver(&mut scope, &features, None)?;
    let dense = |name: &str| match &receiver.features[name] {
        SignatureTensor::Dense(tensor) => Ok(*tensor),
        other => Err(format!("{name} is no dense tensor: {other:?}")),
    };
    let weights = Tensor::from_vec([2, 1], vec![1.0f32, -2.0])?;
    let weights = VariableOptions::new().initializer(weights);
    let weights = scope.get_variable("weights", weights)?;
    let sum = scope.matmul(dense("x")?, &weights)?;
    let logits = scope.with_op_name("logits").add(sum, dense("bias")?)?;
    let probability = scope.with_op_name("probability").sigmoid(logits)?;
    let rest = scope.sub(1.0f32, probability)?;
    let scores = scope.with_op_name("scores").concat([rest, probability], 1)?;
    let mean = scope.reduce_mean(logits, Axes::of([1]))?;

    let key = constants::DEFAULT_SERVING_SIGNATURE_DEF_KEY;
    let classification = ExportOutput::Classification { classes: None, scores: Some(scores) };
    let outputs = [
        (key, classification.clone()),
        ("classification", classification),
        ("regression", ExportOutput::Regression(mean)),
        ("predict", ExportOutput::Predict([("logits", logits), ("scores", scores)].into())),
    ];
    let outputs = outputs.into_iter().map(|(key, output)| (key.to_owned(), output)).collect();
    scope.with_op_name("first_values").global_variables_initializer()?;
    let session = Session::new(Arc::new(scope.graph().clone()), SessionOptions::default());
    session.run(&[], &[], &["first_values"])?;
    let assets_extra = extra.map(|file| ("notes/readme.txt".to_owned(), file.into()));
    let options =
        ExportOptions { assets_extra: assets_extra.into_iter().collect(), ..Default::default() };
    let exported = export_saved_model(base, &mut scope, &session, &receiver, outputs, options)?;
    println!("{}", exported.dir.display());
    Ok(())
}
