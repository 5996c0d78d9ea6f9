use flowkeep_tensor::Tensor;

use super::StructuredValue;
use crate::Error;

/// How many tensors stand for a value of this signature: items in order, dicts by sorted keys.
pub(crate) fn n_tensors(signature: &StructuredValue) -> usize {
    let all = |items: &[StructuredValue]| items.iter().map(n_tensors).sum();
    match signature {
        StructuredValue::List(items) | StructuredValue::Tuple(items) => all(items),
        StructuredValue::Dict(fields) => fields.values().map(n_tensors).sum(),
        StructuredValue::NamedTuple(_, fields) => {
            fields.iter().map(|(_, item)| n_tensors(item)).sum()
        }
        StructuredValue::TensorSpec(_) => 1,
        StructuredValue::TypeSpec(spec) => spec.n_components,
        _ => 0,
    }
}

/// The structure of a signature with tensors in place of its specs.
///
/// `next` gives the tensors in the order in which they are passed.
pub(crate) fn pack(
    signature: &StructuredValue,
    next: &mut dyn FnMut() -> Result<Tensor, Error>,
) -> Result<StructuredValue, Error> {
    let mut all = |items: &[StructuredValue]| {
        items.iter().map(|item| pack(item, next)).collect::<Result<Vec<_>, Error>>()
    };
    Ok(match signature {
        StructuredValue::List(items) => StructuredValue::List(all(items)?),
        StructuredValue::Tuple(items) => StructuredValue::Tuple(all(items)?),
        StructuredValue::Dict(fields) => {
            let fields = fields.iter().map(|(key, item)| Ok((key.clone(), pack(item, next)?)));
            StructuredValue::Dict(fields.collect::<Result<_, Error>>()?)
        }
        StructuredValue::NamedTuple(name, fields) => {
            let fields = fields.iter().map(|(key, item)| Ok((key.clone(), pack(item, next)?)));
            StructuredValue::NamedTuple(name.clone(), fields.collect::<Result<_, Error>>()?)
        }
        StructuredValue::TensorSpec(_) => StructuredValue::Tensor(next()?),
        StructuredValue::TypeSpec(spec) => {
            let components = (0..spec.n_components).map(|_| next());
            StructuredValue::Composite(spec.clone(), components.collect::<Result<_, _>>()?)
        }
        literal => literal.clone(),
    })
}
