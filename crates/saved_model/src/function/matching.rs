//! Which trace a call is for.

use std::collections::BTreeMap;
use std::fmt::Write;

use flowkeep_tensor::{Code, Tensor};

use super::spec::Canonical;
use super::{ConcreteFunction, FunctionSpec};
use crate::Error;
use crate::structured::{StructuredValue, argument, convert_to_tensor, literals_are_equal};

/// The first trace that takes these arguments, with the tensors to pass.
///
/// Traces that take them as they are come first; then those that take them once literals have become
/// tensors. Nothing is traced anew.
///
/// Errors: `INVALID_ARGUMENT`, with TensorFlow's text, which lists what there is.
pub(crate) fn find_trace<'a>(
    spec: &FunctionSpec,
    traces: &[&'a ConcreteFunction],
    args: &[StructuredValue],
    kwargs: &BTreeMap<String, StructuredValue>,
) -> Result<(&'a ConcreteFunction, Vec<Tensor>), Error> {
    if traces.is_empty() {
        let message = "Found zero restored functions for caller function.";
        return Err(Error::Model { code: Code::InvalidArgument, message: message.into() });
    }
    let call = spec.bind(args, kwargs)?;
    let keyword = StructuredValue::Dict(call.keyword.clone());
    for converts in [false, true] {
        for trace in traces {
            let Some((expected, expected_keyword)) = trace.arguments() else { continue };
            let mut tensors = Vec::new();
            if all_match(expected, &call.positional, converts, &mut tensors)
                && matches(expected_keyword, &keyword, converts, &mut tensors)
            {
                return Ok((trace, tensors));
            }
        }
    }
    Err(Error::Model { code: Code::InvalidArgument, message: no_match(traces, &call) })
}

fn all_match(
    expected: &[StructuredValue],
    got: &[StructuredValue],
    converts: bool,
    tensors: &mut Vec<Tensor>,
) -> bool {
    expected.len() == got.len()
        && expected.iter().zip(got).all(|(expected, got)| matches(expected, got, converts, tensors))
}

/// Whether an argument fits a signature; appends its tensors.
fn matches(
    expected: &StructuredValue,
    got: &StructuredValue,
    converts: bool,
    tensors: &mut Vec<Tensor>,
) -> bool {
    use StructuredValue as V;
    match (expected, got) {
        (V::List(expected), V::List(got)) | (V::Tuple(expected), V::Tuple(got)) => {
            all_match(expected, got, converts, tensors)
        }
        (V::NamedTuple(name, expected), V::NamedTuple(got_name, got)) => {
            name == got_name
                && expected.len() == got.len()
                && expected.iter().zip(got).all(|((key, expected), (got_key, got))| {
                    key == got_key && matches(expected, got, converts, tensors)
                })
        }
        (V::Dict(expected), V::Dict(got)) => {
            expected.len() == got.len()
                && expected.iter().zip(got).all(|((key, expected), (got_key, got))| {
                    key == got_key && matches(expected, got, converts, tensors)
                })
        }
        (V::TensorSpec(spec), got) => {
            let tensor = match got {
                V::Tensor(tensor) => Some(tensor.clone()),
                got if converts => convert_to_tensor(got, spec.dtype),
                _ => None,
            };
            let Some(tensor) = tensor.filter(|tensor| spec.is_compatible_with(tensor)) else {
                return false;
            };
            tensors.push(tensor);
            true
        }
        (V::TypeSpec(spec), V::Composite(got, components)) => {
            let fits = spec.is_compatible_with(got) && components.len() == spec.n_components;
            if fits {
                tensors.extend_from_slice(components);
            }
            fits
        }
        (V::List(_) | V::Tuple(_) | V::NamedTuple(..) | V::Dict(_) | V::TypeSpec(_), _) => false,
        (expected, got) => literals_are_equal(expected, got),
    }
}

fn no_match(traces: &[&ConcreteFunction], call: &Canonical) -> String {
    let got = call.positional.iter().zip(&call.names);
    let got = positional(got.map(|(value, name)| argument(name, value)).collect());
    let keyword = call.keys.iter().filter_map(|key| {
        let value = call.keyword.get(key)?;
        Some(format!("{}: {}", StructuredValue::Str(key.clone()), argument(key, value)))
    });
    let keyword = format!("{{{}}}", keyword.collect::<Vec<_>>().join(", "));
    let mut text = format!(
        "Could not find matching concrete function to call loaded from the SavedModel. Got:\n  {got}\n  Keyword \
         arguments: {keyword}\n\n Expected these arguments to match one of the following {} option(s):\n\n",
        traces.len()
    );
    for (idx, trace) in traces.iter().enumerate() {
        let Some((expected, keyword)) = trace.arguments() else { continue };
        let expected = positional(expected.iter().map(ToString::to_string).collect());
        let gap = if idx == 0 { "" } else { "\n\n" };
        let option = idx.saturating_add(1);
        // Writing to a string does not fail.
        let _ = write!(text, "{gap}Option {option}:\n  {expected}\n  Keyword arguments: {keyword}");
    }
    text
}

fn positional(args: Vec<String>) -> String {
    format!("Positional arguments ({} total):\n    * {}", args.len(), args.join("\n    * "))
}
