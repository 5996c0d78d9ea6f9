use flowkeep_proto::pb;
use flowkeep_tensor::DType;
use prost::Message;

use crate::TensorAttr;

/// All constants of a graph or of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConstantTotals {
    /// How many nodes there are.
    pub n_nodes: u64,
    /// Their elements.
    pub n_elements: u64,
    /// The bytes of their elements in memory; of strings, those of the texts.
    pub len_bytes: u64,
    /// The bytes that they take in the file, where a value that is repeated is written once.
    pub stored_bytes: u64,
}

impl ConstantTotals {
    /// Counts one more constant.
    pub(super) fn add(&mut self, tensor: &pb::TensorProto) {
        let (n_elements, len_bytes) = size(tensor).unwrap_or_default();
        let stored_bytes = u64::try_from(tensor.encoded_len()).unwrap_or(u64::MAX);
        self.n_nodes = self.n_nodes.saturating_add(1);
        self.n_elements = self.n_elements.saturating_add(n_elements);
        self.len_bytes = self.len_bytes.saturating_add(len_bytes);
        self.stored_bytes = self.stored_bytes.saturating_add(stored_bytes);
    }

    /// Counts the value of a node, if it is a constant.
    pub(super) fn add_node(&mut self, node: &pb::NodeDef) {
        let value = node.attr.get("value").and_then(|attr| attr.value.as_ref());
        if let ("Const", Some(pb::attr_value::Value::Tensor(tensor))) = (&*node.op, value) {
            self.add(tensor);
        }
    }
}

/// Elements and bytes of a tensor, without decoding it where that can be avoided; `None` for a malformed
/// one.
fn size(tensor: &pb::TensorProto) -> Option<(u64, u64)> {
    let shape = tensor.tensor_shape.as_ref().filter(|shape| !shape.unknown_rank);
    let dims = shape.map_or(&[][..], |shape| &shape.dim);
    let n_elements = dims.iter().try_fold(1u64, |n, dim| {
        let dim = u64::try_from(dim.size).ok()?;
        Some(n.saturating_mul(dim))
    })?;
    let dtype = DType::from_number(tensor.dtype).ok()?;
    let n_bytes = match dtype.size_bytes() {
        Some(size) => n_elements.saturating_mul(u64::try_from(size).ok()?),
        None if dtype != DType::String => 0,
        None if !tensor.tensor_content.is_empty() => {
            let strings = TensorAttr::from(tensor.clone()).tensor().ok()?;
            sum(strings.as_strings().ok()?.iter().map(|text| text.len()))
        }
        None => {
            let n_values = u64::try_from(tensor.string_val.len()).ok()?;
            let last = tensor.string_val.last().map_or(0, |text| text.len());
            // The last value stands for all that are not there, and surplus ones do not count.
            let repeated = n_elements.saturating_sub(n_values);
            let n_counted = usize::try_from(n_elements).unwrap_or(usize::MAX);
            let texts = tensor.string_val.iter().take(n_counted).map(|text| text.len());
            sum(texts).saturating_add(repeated.saturating_mul(u64::try_from(last).ok()?))
        }
    };
    Some((n_elements, n_bytes))
}

fn sum(lens: impl Iterator<Item = usize>) -> u64 {
    lens.fold(0, |sum, len| sum.saturating_add(u64::try_from(len).unwrap_or(u64::MAX)))
}
