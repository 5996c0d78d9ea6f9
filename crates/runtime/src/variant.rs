use std::sync::Arc;

use flowkeep_tensor::{DType, PartialShape, Shape};

use crate::Value;
use crate::kernel::Status;

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
}

impl TensorList {
    /// A list of these elements; `None` stands for one that was not set.
    pub fn new(
        dtype: DType,
        element_shape: PartialShape,
        elements: Vec<Option<Value>>,
    ) -> TensorList {
        TensorList { dtype, element_shape, max_elements: None, elements: Arc::new(elements) }
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

    /// The elements, to be changed: copied if another list has them too.
    pub fn elements_mut(&mut self) -> &mut Vec<Option<Value>> {
        Arc::make_mut(&mut self.elements)
    }
}

impl From<TensorList> for Value {
    fn from(list: TensorList) -> Value {
        Value::Variant(VariantTensor::scalar(Variant::List(list)))
    }
}
