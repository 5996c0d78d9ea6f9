use std::sync::Arc;

use flowkeep_tensor::{DType, PartialShape, Shape};

use crate::Value;
use crate::kernel::Status;

/// Lists within lists, at most. They are let go of by recursion.
const MAX_DEPTH: usize = 64;

/// A tensor of type `DT_VARIANT`: elements that are values of other kinds. Clones share them.
#[derive(Clone, Debug)]
pub struct VariantTensor {
    shape: Shape,
    items: Arc<Vec<Variant>>,
}

/// An element of a variant tensor.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Variant {
    /// A list of tensors.
    List(TensorList),
    /// Some values, or none.
    Optional(Option<Arc<Vec<Value>>>),
}

impl Variant {
    fn depth(&self) -> usize {
        match self {
            Variant::List(list) => list.depth,
            Variant::Optional(None) => 0,
            Variant::Optional(Some(parts)) => 1 + parts.iter().map(depth).max().unwrap_or(0),
        }
    }
}

/// How deep lists nest in a value.
fn depth(value: &Value) -> usize {
    match value {
        Value::Variant(variant) => variant.items.iter().map(Variant::depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Checks that `value` may become part of a list, or of an optional value.
///
/// Errors: `INVALID_ARGUMENT` if lists nest too deep in it.
pub(crate) fn check_depth(value: &Value) -> Result<(), Status> {
    if depth(value) < MAX_DEPTH {
        return Ok(());
    }
    Err(Status::invalid_argument(format!("lists nest deeper than {MAX_DEPTH}")))
}

impl VariantTensor {
    /// A scalar.
    pub fn scalar(item: Variant) -> VariantTensor {
        VariantTensor { shape: Shape::SCALAR, items: Arc::new(vec![item]) }
    }

    /// A tensor of this shape.
    ///
    /// Errors: `INVALID_ARGUMENT` if the number of elements does not fit it.
    pub fn new(shape: impl Into<Shape>, items: Vec<Variant>) -> Result<VariantTensor, Status> {
        let shape = shape.into();
        if shape.checked_n_elements() != Some(items.len()) {
            let message = format!("{} variants have no shape {shape}", items.len());
            return Err(Status::invalid_argument(message));
        }
        Ok(VariantTensor { shape, items: Arc::new(items) })
    }

    /// The shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The elements, in row-major order.
    pub fn items(&self) -> &[Variant] {
        &self.items
    }

    /// The list that a scalar holds; nothing is copied if nobody else has the tensor.
    ///
    /// Errors: `INVALID_ARGUMENT` for other shapes.
    pub fn into_list(self) -> Result<TensorList, Status> {
        if !self.shape.is_scalar() {
            let message = format!("Input list must be a scalar. Saw: {}", self.shape);
            return Err(Status::invalid_argument(message));
        }
        let item = match Arc::try_unwrap(self.items) {
            Ok(mut items) => items.pop(),
            Err(items) => items.first().cloned(),
        };
        match item {
            Some(Variant::List(list)) => Ok(list),
            Some(Variant::Optional(_)) => {
                Err(Status::invalid_argument("Input handle is not a list. Saw: 'optional'"))
            }
            None => Err(Status::internal("a variant without a value")),
        }
    }
}

/// A list of tensors of one type, with value semantics: a change is seen by who makes it alone.
///
/// The elements are shared by clones until one of them is changed; whoever has a list alone
/// changes it in place, so that a loop that sets `n` elements takes `n` steps.
#[derive(Clone, Debug)]
pub struct TensorList {
    /// The type of the elements.
    pub dtype: DType,
    /// The shape that each element has, as far as that is known.
    pub element_shape: PartialShape,
    /// How many elements there may be; `None` if there is no such number.
    pub max_elements: Option<usize>,
    elements: Arc<Vec<Option<Value>>>,
    /// One more than the deepest of the elements.
    depth: usize,
}

impl TensorList {
    /// A list of these elements; `None` stands for one that was not set.
    pub fn new(
        dtype: DType,
        element_shape: PartialShape,
        elements: Vec<Option<Value>>,
    ) -> TensorList {
        let depth = match dtype {
            DType::Variant => 1 + elements.iter().flatten().map(depth).max().unwrap_or(0),
            _ => 1,
        };
        let elements = Arc::new(elements);
        TensorList { dtype, element_shape, max_elements: None, elements, depth }
    }

    /// The same list with a limit on its elements.
    #[must_use]
    pub fn with_max_elements(self, max_elements: Option<usize>) -> TensorList {
        TensorList { max_elements, ..self }
    }

    /// The elements.
    pub fn elements(&self) -> &[Option<Value>] {
        &self.elements
    }

    /// The elements, to be made more or fewer: copied if another list has them too.
    pub fn elements_mut(&mut self) -> &mut Vec<Option<Value>> {
        Arc::make_mut(&mut self.elements)
    }

    /// Replaces an element, or adds one behind the last.
    ///
    /// Errors: `INVALID_ARGUMENT` if lists nest too deep, or there is no such place.
    pub fn put(&mut self, idx: usize, value: Value) -> Result<(), Status> {
        check_depth(&value)?;
        self.depth = self.depth.max(1 + depth(&value));
        let elements = self.elements_mut();
        let n = elements.len();
        match elements.get_mut(idx) {
            Some(element) => *element = Some(value),
            None if idx == n => elements.push(Some(value)),
            None => return Err(Status::internal(format!("a list of {n} has no element {idx}"))),
        }
        Ok(())
    }
}

impl From<TensorList> for Value {
    fn from(list: TensorList) -> Value {
        Value::Variant(VariantTensor::scalar(Variant::List(list)))
    }
}

#[cfg(test)]
mod tests {
    use flowkeep_tensor::Tensor;

    use super::*;

    fn list(elements: Vec<Option<Value>>) -> TensorList {
        TensorList::new(DType::Variant, PartialShape::unknown(), elements)
    }

    #[test]
    fn lists_do_not_nest_without_end() {
        let mut value: Value = list(vec![None]).into();
        for _ in 1..MAX_DEPTH {
            let mut outer = list(Vec::new());
            outer.put(0, value).unwrap();
            value = outer.into();
        }
        assert!(list(Vec::new()).put(0, value).is_err());
    }

    #[test]
    fn a_change_is_seen_by_who_makes_it() {
        let one = Value::Host(Tensor::scalar(1f32));
        let old = TensorList::new(DType::F32, PartialShape::unknown(), vec![None]);
        let mut new = old.clone();
        new.put(0, one.clone()).unwrap();
        new.put(1, one).unwrap();
        assert_eq!((old.elements().len(), new.elements().len()), (1, 2));
        assert!(old.elements()[0].is_none() && new.elements()[0].is_some());
        assert!(new.put(3, Value::Host(Tensor::scalar(1f32))).is_err());
    }
}
