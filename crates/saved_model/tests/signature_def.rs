//! Signatures: what they say of tensors, and what is refused in TensorFlow's words.

use flowkeep_graph::builder::{Scope, VariableOptions};
use flowkeep_graph::{Element, Output, Signature, TensorInfo};
use flowkeep_proto::{pb, text};
use flowkeep_saved_model::{
    Error, NamedTensors, SignatureTensor, SparseTensor, build_signature_def, build_tensor_info,
    build_tensor_info_from_op, classification_signature_def, get_signature_def_by_key,
    get_tensor_from_tensor_info, is_valid_signature, predict_signature_def,
    regression_signature_def, supervised_eval_signature_def, supervised_train_signature_def,
};
use flowkeep_tensor::{Code, DType, PartialShape, Tensor};

struct Tensors {
    scope: Scope,
    text: Output,
    float: Output,
    double: Output,
    long: Output,
}

fn tensors() -> Tensors {
    let mut scope = Scope::new();
    let mut of = |name: &str, dtype| scope.with_op_name(name).placeholder(dtype, [None]).unwrap();
    let text = of("text", DType::String);
    let float = of("float", DType::F32);
    let double = of("double", DType::F64);
    let long = of("long", DType::I64);
    Tensors { scope, text, float, double, long }
}

fn refused<T: std::fmt::Debug>(result: Result<T, Error>, text: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.code(), &*error.to_string()), (Code::InvalidArgument, text));
}

// The texts are what TensorFlow 2.21's `build_tensor_info` gives for these tensors.
#[test]
fn tensors_are_described_as_tensorflow_describes_them() {
    let mut scope = Scope::new();
    let reference = VariableOptions::new().initializer([1.0f32, 2.0]).use_resource(false);
    let resource = VariableOptions::new().initializer([1.0f32, 2.0]).use_resource(true);
    let v = scope.with_op_name("v").variable(reference).unwrap();
    let w = scope.with_op_name("w").variable(resource).unwrap();
    let indices =
        scope.with_op_name("s/indices").placeholder_of(DType::I64, PartialShape::unknown());
    let values = scope.with_op_name("s/values").placeholder(DType::F32, [None]).unwrap();
    let dense_shape = scope.with_op_name("s/shape").constant(Tensor::from_elements(vec![-1i64, 4]));
    let (indices, dense_shape) = (indices.unwrap(), dense_shape.unwrap());
    let flat_values =
        scope.with_op_name("r2/flat_values").placeholder(DType::String, [None, Some(3)]);
    let mut splits = |name: &str| scope.with_op_name(name).placeholder(DType::I64, [None]).unwrap();
    let splits = [splits("r2/row_splits_0"), splits("r2/row_splits_1")];
    let ragged = SignatureTensor::ragged(&scope, flat_values.unwrap(), &splits);
    let group = scope.with_op_name("group").no_op().unwrap();
    let dim = |size: i64| format!("dim {{ size: {size} }}");
    let component = |name: &str, dtype: &str, dims: String| {
        format!("components {{ name: '{name}' dtype: {dtype} tensor_shape {{ {dims} }} }}")
    };
    let ragged_text = format!(
        "composite_tensor {{ type_spec {{ type_spec_class: RAGGED_TENSOR_SPEC type_state {{ tuple_value {{
           values {{ tensor_shape_value {{ {} }} }} values {{ tensor_dtype_value: DT_STRING }}
           values {{ int64_value: 2 }} values {{ tensor_dtype_value: DT_INT64 }} }} }}
           type_spec_class_name: 'RaggedTensorSpec' num_flat_components: 3 }} {} {} {} }}",
        [-1, -1, -1, 3].map(dim).concat(),
        component("r2/flat_values:0", "DT_STRING", [-1, 3].map(dim).concat()),
        component("r2/row_splits_0:0", "DT_INT64", dim(-1)),
        component("r2/row_splits_1:0", "DT_INT64", dim(-1)),
    );
    let sparse = SparseTensor { indices, values, dense_shape };
    for (tensor, expected) in [
        (
            SignatureTensor::from(&v),
            "name: 'v:0' dtype: DT_FLOAT_REF tensor_shape { dim { size: 2 } }",
        ),
        (v.handle().into(), "name: 'v:0' dtype: DT_FLOAT_REF tensor_shape { dim { size: 2 } }"),
        ((&w).into(), "name: 'w:0' dtype: DT_FLOAT tensor_shape { dim { size: 2 } }"),
        (indices.into(), "name: 's/indices:0' dtype: DT_INT64 tensor_shape { unknown_rank: true }"),
        (
            sparse.into(),
            "dtype: DT_FLOAT tensor_shape { dim { size: -1 } dim { size: 4 } } coo_sparse {
               values_tensor_name: 's/values:0' indices_tensor_name: 's/indices:0'
               dense_shape_tensor_name: 's/shape:0' }",
        ),
        (ragged, &ragged_text),
    ] {
        let info = build_tensor_info(&scope, tensor.clone()).unwrap();
        let expected: pb::TensorInfo = text::parse_message(expected).unwrap();
        assert_eq!(info.to_proto(), expected);
        let found = get_tensor_from_tensor_info(&info, scope.graph(), None).unwrap();
        match tensor {
            SignatureTensor::Variable(variable) => assert_eq!(found, variable.handle().into()),
            tensor => assert_eq!(found, tensor),
        }
    }
    let info = build_tensor_info_from_op(&scope, Element::Node(group)).unwrap();
    let expected =
        text::parse_message("name: 'group' tensor_shape { unknown_rank: true }").unwrap();
    assert_eq!(info.to_proto(), expected);
}

#[test]
fn tensors_are_found_under_a_scope() {
    let mut scope = Scope::new();
    let x = scope.with_op_name("tower/x").placeholder(DType::F32, []).unwrap();
    let info = |text: &str| TensorInfo::from_proto(text::parse_message(text).unwrap()).unwrap();
    let found = |text: &str, under| get_tensor_from_tensor_info(&info(text), scope.graph(), under);
    assert_eq!(found("name: 'x:0'", Some("tower")).unwrap(), x.into());
    let missing = found("name: 'x:0'", None).unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    assert_eq!(
        missing.to_string(),
        "The name 'x:0' refers to a Tensor which does not exist. The operation, 'x', does not exist in the graph."
    );
    refused(
        found("dtype: DT_FLOAT", None),
        "Invalid TensorInfo.encoding: None. Expected `coo_sparse`, `composite_tensor`, or `name` for a dense tensor.",
    );
}

#[test]
fn signatures_that_cannot_be_are_refused_in_tensorflows_words() {
    let Tensors { scope, text, float, double, long } = &tensors();
    let classify = |x: &Output, classes: Option<&Output>, scores: Option<&Output>| {
        classification_signature_def(scope, *x, classes.copied(), scores.copied())
    };
    let regress = |x: &Output, y: &Output| regression_signature_def(scope, *x, *y);
    let none = NamedTensors::default;
    let x = || NamedTensors::from([("x", *float)]);
    refused(
        predict_signature_def(scope, none(), x()),
        "Prediction `inputs` cannot be None or empty.",
    );
    refused(
        predict_signature_def(scope, x(), none()),
        "Prediction `outputs` cannot be None or empty.",
    );
    for (result, text) in [
        (classify(text, None, None), "Classification `classes` and `scores` cannot both be None."),
        (
            classify(float, None, Some(float)),
            "Classification input tensors must be of type string. Found tensors of type 1",
        ),
        (
            classify(text, Some(float), None),
            "Classification classes must be of type string Tensor. Found tensors of type 1.`",
        ),
        (classify(text, None, Some(double)), "Classification scores must be a float Tensor."),
        (
            regress(float, float),
            "Regression input tensors must be of type string. Found tensors with type 1.",
        ),
        (
            regress(text, text),
            "Regression output tensors must be of type float. Found tensors with type 7.",
        ),
        (
            supervised_train_signature_def(scope, none(), x(), none(), none()),
            "tensorflow/supervised/training `inputs` cannot be None or empty.",
        ),
        (
            supervised_eval_signature_def(scope, none(), x(), none(), none()),
            "tensorflow/supervised/eval `inputs` cannot be None or empty.",
        ),
        (
            build_signature_def(scope, x(), x(), "m", &[("x", *long)]),
            "Unable to convert object Tensor(\"long:0\", shape=(None,), dtype=int64) of type <class \
             'tensorflow.python.framework.ops.SymbolicTensor'> to TensorProto.",
        ),
    ] {
        refused(result, text);
    }
    let nowhere = flowkeep_graph::NodeId(1000).output(0);
    refused(build_tensor_info(scope, nowhere), "the graph has no node #1000");
}

#[test]
fn only_signatures_that_can_be_served_are_valid() {
    let Tensors { scope, text, float, double, .. } = tensors();
    let predict = predict_signature_def(&scope, [("a", double)], [("b", double)]).unwrap();
    let regress = regression_signature_def(&scope, text, float).unwrap();
    let both = classification_signature_def(&scope, text, Some(text), Some(float)).unwrap();
    let scores = classification_signature_def(&scope, text, None, Some(float)).unwrap();
    let supervised = supervised_train_signature_def(
        &scope,
        [("x", float)],
        [("loss", float)],
        [("y", double)],
        [("m", float)],
    )
    .unwrap();
    assert_eq!(supervised.outputs.keys().collect::<Vec<_>>(), ["loss", "m", "y"]);
    let info = |tensor| build_tensor_info(&scope, tensor).unwrap();
    type Change<'a> = &'a dyn Fn(&mut Signature);
    let changed = |signature: &Signature, change: Change<'_>| {
        let mut signature = signature.clone();
        change(&mut signature);
        signature
    };
    for (signature, is_valid) in [
        (predict.clone(), true),
        (regress.clone(), true),
        (both.clone(), true),
        (scores, true),
        (supervised, false),
        (changed(&predict, &|s| s.inputs.clear()), false),
        (changed(&predict, &|s| s.outputs.clear()), false),
        (changed(&regress, &|s| drop(s.inputs.insert("more".into(), info(text)))), false),
        (changed(&regress, &|s| drop(s.outputs.insert("outputs".into(), info(double)))), false),
        (changed(&regress, &|s| drop(s.outputs.insert("more".into(), info(float)))), false),
        (changed(&both, &|s| drop(s.outputs.insert("more".into(), info(float)))), false),
        (changed(&both, &|s| drop(s.outputs.insert("scores".into(), info(double)))), false),
        (changed(&both, &|s| drop(s.inputs.insert("inputs".into(), info(float)))), false),
        (changed(&both, &|s| s.outputs.clear()), false),
        (changed(&both, &|s| s.method_name = "other".into()), false),
    ] {
        assert_eq!(is_valid_signature(&signature), is_valid, "{signature:?}");
    }
}

#[test]
fn signatures_are_found_by_their_keys() {
    let Tensors { scope, float, .. } = tensors();
    let signature = predict_signature_def(&scope, [("a", float)], [("b", float)]).unwrap();
    let mut def = pb::MetaGraphDef::default();
    def.signature_def.insert("k".to_owned(), signature.to_proto());
    assert_eq!(get_signature_def_by_key(&def, "k").unwrap(), signature);
    let error = get_signature_def_by_key(&def, "other").unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert_eq!(error.to_string(), "No SignatureDef with key 'other' found in MetaGraphDef.");
}
