//! A SavedModel of each kind that the builder writes, to be read by other programs.
//!
//! ```sh
//! builder_cases KIND DIR
//! ```

use std::error::Error;
use std::sync::Arc;

use flowkeep_graph::builder::{Axes, Scope, VariableOptions};
use flowkeep_graph::{Attr, AttrList, Output, collection_keys};
use flowkeep_runtime::{Session, SessionOptions};
use flowkeep_saved_model::{
    AssetForm, MetaGraphOptions, NamedTensors, SavedModelBuilder, SignatureTensor, SparseTensor,
    build_signature_def, classification_signature_def, constants, main_op, predict_signature_def,
    regression_signature_def,
};
use flowkeep_tensor::{DType, PartialShape, Tensor};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let [kind, dir] = args[..] else { return Err("usage: builder_cases KIND DIR".into()) };
    let mut scope = Scope::new();
    let options = match kind {
        "text" | "resource" => line(&mut scope, true)?,
        "ref" => line(&mut scope, false)?,
        "stripped" => MetaGraphOptions {
            strip_default_attrs: true,
            clear_devices: true,
            ..line(&mut scope, true)?
        },
        "no_variables" => no_variables(&mut scope)?,
        "table" => table(&mut scope, dir)?,
        "sparse" => sparse(&mut scope)?,
        "ragged" => ragged(&mut scope)?,
        "examples" => examples(&mut scope)?,
        _ => return Err(format!("no kind {kind}").into()),
    };
    scope.with_op_name("first_values").global_variables_initializer()?;
    let session = Session::new(Arc::new(scope.graph().clone()), SessionOptions::default());
    session.run(&[], &[], &["first_values"])?;
    let mut builder = SavedModelBuilder::new(dir)?;
    builder.add_meta_graph_and_variables(&mut scope, &session, &[constants::SERVING], options)?;
    builder.save(kind == "text")?;
    Ok(())
}

fn serving(
    scope: &Scope,
    inputs: impl Into<NamedTensors>,
    outputs: impl Into<NamedTensors>,
) -> Result<MetaGraphOptions<'static>> {
    let signature = predict_signature_def(scope, inputs, outputs)?;
    let key = constants::DEFAULT_SERVING_SIGNATURE_DEF_KEY;
    Ok(MetaGraphOptions::default().signature(key, signature))
}

/// `y = a x + b`; the signature gives the variable `a` too, and `x` may be left out.
fn line(scope: &mut Scope, use_resource: bool) -> Result<MetaGraphOptions<'static>> {
    let mut on_cpu = scope.device("/cpu:0")?;
    let x = on_cpu.with_op_name("x").placeholder(DType::F32, [None])?;
    let of = |value: f32| VariableOptions::new().initializer(value).use_resource(use_resource);
    let a = on_cpu.get_variable("a", of(0.5))?;
    let b = on_cpu.get_variable("b", of(2.0))?;
    let ax = on_cpu.mul(&a, x)?;
    let y = on_cpu.with_op_name("y").add(ax, &b)?;
    drop(on_cpu);
    let options = serving(scope, [("x", x)], [("y", y)])?;
    if use_resource {
        return Ok(options);
    }
    let outputs = [("y", SignatureTensor::from(y)), ("a", SignatureTensor::from(&a))];
    let default = scope.with_op_name("default").constant(Tensor::from_elements(vec![7.0f32]))?;
    let method = constants::PREDICT_METHOD_NAME;
    let signature = build_signature_def(scope, [("x", x)], outputs, method, &[("x", default)])?;
    Ok(options.signature("with_variable", signature))
}

fn no_variables(scope: &mut Scope) -> Result<MetaGraphOptions<'static>> {
    let x = scope.with_op_name("x").placeholder(DType::F32, [None])?;
    let y = scope.with_op_name("y").mul(x, 3.0f32)?;
    serving(scope, [("x", x)], [("y", y)])
}

/// A table that is filled from a file, in the form of TensorFlow 2.
fn table(scope: &mut Scope, dir: &str) -> Result<MetaGraphOptions<'static>> {
    let file = format!("{dir}.words.txt");
    std::fs::write(&file, "one\ntwo\nthree\n")?;
    let words = scope.with_op_name("words").placeholder(DType::String, [None])?;
    let path = scope.with_op_name("path").constant(Tensor::scalar_string(file))?;
    let types = [("key_dtype", DType::String), ("value_dtype", DType::I64)];
    let op = scope.op("HashTableV2").name("table");
    let table =
        types.iter().fold(op, |op, (name, ty)| op.attr(name, Attr::Type(*ty))).build_one()?;
    let fill = scope.op("InitializeTableFromTextFileV2").input(table).input(path);
    let fill = fill.attr("key_index", Attr::Int(-2)).attr("value_index", Attr::Int(-1)).build()?;
    scope.add_to_collection(collection_keys::TABLE_INITIALIZERS, fill);
    let ids = scope.op("LookupTableFindV2").input(table).input(words).input(-1i64).build_one()?;
    Ok(MetaGraphOptions {
        assets: vec![path.into()],
        asset_form: AssetForm::AssetFileDef,
        init_op: Some(main_op::tables_initializer(scope)?),
        ..serving(scope, [("words", words)], [("ids", ids)])?
    })
}

/// A sparse matrix in, twice that and the sum of its values out.
fn sparse(scope: &mut Scope) -> Result<MetaGraphOptions<'static>> {
    let indices = scope.with_op_name("indices").placeholder(DType::I64, [None, Some(2)])?;
    let values = scope.with_op_name("values").placeholder(DType::F32, [None])?;
    let dense_shape = scope.with_op_name("dense_shape").placeholder(DType::I64, [Some(2)])?;
    let x = SparseTensor { indices, values, dense_shape };
    let doubled = scope.mul(values, 2.0f32)?;
    let [indices, dense_shape] = [indices, dense_shape].map(|part| scope.identity(part));
    let y = SparseTensor { indices: indices?, values: doubled, dense_shape: dense_shape? };
    let sum = scope.reduce_sum(values, Axes::all())?;
    let outputs = [("y", SignatureTensor::from(y)), ("sum", SignatureTensor::from(sum))];
    serving(scope, [("x", x)], outputs)
}

/// Rows of numbers in, twice that and the sum of all out.
fn ragged(scope: &mut Scope) -> Result<MetaGraphOptions<'static>> {
    let values = scope.with_op_name("flat_values").placeholder(DType::F32, [None])?;
    let splits = scope.with_op_name("row_splits").placeholder(DType::I64, [None])?;
    let x = SignatureTensor::ragged(scope, values, &[splits]);
    let doubled = scope.mul(values, 2.0f32)?;
    let same_splits = scope.identity(splits)?;
    let y = SignatureTensor::ragged(scope, doubled, &[same_splits]);
    let sum = scope.reduce_sum(values, Axes::all())?;
    serving(scope, [("x", x)], [("y", y), ("sum", sum.into())])
}

/// The kinds of signatures that take serialized examples.
fn examples(scope: &mut Scope) -> Result<MetaGraphOptions<'static>> {
    let serialized = scope.with_op_name("examples").placeholder(DType::String, [None])?;
    let x = parsed(scope, serialized)?;
    let scores = scope.with_op_name("scores").sigmoid(x)?;
    let names = scope.constant(Tensor::from_strings([2], vec!["no".into(), "yes".into()])?)?;
    let half = scope.greater(scores, 0.5f32)?;
    let classes = scope.cast(half, DType::I32)?;
    let classes = scope.gather(names, classes, 0)?;
    let classify = classification_signature_def(scope, serialized, Some(classes), Some(scores))?;
    let regress = regression_signature_def(scope, serialized, scores)?;
    Ok(serving(scope, [("examples", serialized)], [("scores", scores)])?
        .signature("classify", classify)
        .signature("regress", regress))
}

/// The feature `x`, a number, of serialized examples.
fn parsed(scope: &mut Scope, serialized: Output) -> Result<Output> {
    let none = || Tensor::from_strings([0], Vec::new());
    let keys = Tensor::from_strings([1], vec!["x".into()])?;
    let op = scope.op("ParseExampleV2").input(serialized).input(none()?).input(none()?);
    let default = Tensor::from_elements(Vec::<f32>::new());
    let op = op.input(keys).input(none()?).input_list([default]);
    let shapes = Attr::List(AttrList::Shape([PartialShape::new(vec![])].into()));
    let op = op.attr("num_sparse", Attr::Int(0)).attr("dense_shapes", shapes);
    let op = ["sparse_types", "ragged_value_types", "ragged_split_types"]
        .iter()
        .fold(op, |op, name| op.attr(name, Attr::List(AttrList::Empty)));
    Ok(op.build_one()?)
}
