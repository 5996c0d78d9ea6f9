//! TensorFlow's parsing ops: tensors from serialized examples and raw bytes.

mod columns;
mod csv;
mod decode_raw;
mod example;
mod wire;

use flowkeep_tensor::DType;

use crate::kernel::{OpRegistration, TypeConstraint, op};

/// The types of values that examples hold.
const VALUES: &[DType] = &[DType::F32, DType::I64, DType::String];
const DENSE_SPARSE: &[TypeConstraint] = &[("Tdense", VALUES), ("sparse_types", VALUES)];

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("DecodeCSV").cpu(csv::decode_csv),
    op("DecodeRaw").types(&[("out_type", decode_raw::OUT_TYPES)]).cpu(decode_raw::decode_raw),
    op("ParseExample").types(DENSE_SPARSE).cpu(example::parse_example),
    op("ParseExampleV2").types(DENSE_SPARSE).cpu(example::parse_example_v2),
    op("ParseSingleExample").types(DENSE_SPARSE).cpu(example::parse_single_example),
];
