use flowkeep_tensor::{DType, REF_OFFSET};

use super::Declared;
use crate::{BundleReader, Error, V1Reader};

/// The form of [`CheckpointReader::debug_string`](super::CheckpointReader::debug_string).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DebugForm {
    /// As TensorFlow has it: of a tensor that a bundle stores in slices, each slice under its key,
    /// and the tensor itself not at all.
    #[default]
    TensorFlow,
    /// Each tensor once, with its full shape and the number of its slices.
    Clean,
}

/// The lines of a V1 checkpoint, which TensorFlow gives in no order.
pub(super) fn of_v1(reader: &V1Reader) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, tensor) in reader.stored() {
        put_line(&mut out, name, &Declared::of_v1(tensor));
    }
    out
}

/// The lines of a bundle.
pub(super) fn of_bundle(reader: &BundleReader, form: DebugForm) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    for (key, value) in reader.stored_entries(form == DebugForm::TensorFlow) {
        let declared = Declared::of_bundle(reader, &key, value)?;
        if form != DebugForm::TensorFlow || declared.n_slices == 0 {
            put_line(&mut out, &key, &declared);
        }
    }
    Ok(out)
}

fn put_line(out: &mut Vec<u8>, key: &[u8], declared: &Declared) {
    let Declared { dtype, shape, n_slices } = declared;
    out.extend_from_slice(key);
    out.extend_from_slice(format!(" ({}) {shape}", proto_name(*dtype)).as_bytes());
    if *n_slices > 1 {
        out.extend_from_slice(format!(", {n_slices} slices").as_bytes());
    }
    out.push(b'\n');
}

/// The name of a value of the enum `DataType`; empty if it has none.
fn proto_name(number: i32) -> String {
    match DType::from_number(number) {
        Ok(dtype) if number >= REF_OFFSET => format!("{}_REF", dtype.proto_name()),
        Ok(dtype) => dtype.proto_name().into(),
        Err(_) if number == 0 => "DT_INVALID".into(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_names_of_the_enum() {
        for (number, name) in
            [(1, "DT_FLOAT"), (101, "DT_FLOAT_REF"), (0, "DT_INVALID"), (999, ""), (-1, "")]
        {
            assert_eq!(proto_name(number), name);
        }
    }
}
