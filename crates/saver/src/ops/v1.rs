//! What the ops of V1 checkpoints have in common.

use bytes::Bytes;
use flowkeep_bundle::{CheckpointReader, Error, V1Reader, V1Writer};
use flowkeep_runtime::kernel::{FileAccess, FileUse, KernelContext, KernelInit, Status};
use flowkeep_tensor::{DType, Tensor, TensorSlice};

use super::args::{path, slice_of, text};
use super::name_order::by_name;
use super::status;
use crate::SaverOptions;

/// A kernel that writes a file of a V1 checkpoint.
pub(super) struct Saving {
    dtypes: Vec<DType>,
    options: SaverOptions,
    access: FileAccess,
}

impl Saving {
    pub(super) fn new(init: &KernelInit<'_>) -> Result<Saving, Status> {
        let dtypes = init.attr_types("T")?.to_vec();
        let (options, access) = (SaverOptions::for_kernel(init), init.file_access());
        Ok(Saving { dtypes, options, access })
    }

    /// Writes the file that input 0 names: tensors by the names of input 1, and if there are
    /// specifications, slices by these. The tensors are the inputs after `n_fixed_inputs` others.
    ///
    /// They are looked at in the order of their names, and the error is that of the first one.
    pub(super) fn save(
        &self,
        cx: &KernelContext<'_>,
        specs: Option<&[Bytes]>,
        n_fixed_inputs: usize,
    ) -> Result<(), Status> {
        let (filename, names) = (cx.input(0)?.as_strings()?, cx.input(1)?.as_strings()?);
        let [filename] = filename else {
            return Err(Status::invalid_argument(format!(
                "Input 0 (filename) must be a string scalar; got a tensor of {}elements",
                filename.len()
            )));
        };
        let (n_names, n_tensors) = (names.len(), self.dtypes.len());
        if let Some(n_specs) = specs.map(<[Bytes]>::len).filter(|n_specs| *n_specs != n_names) {
            return Err(Status::invalid_argument(format!(
                "Expected {n_names} elements for the tensor shapes and slices but got {n_specs}"
            )));
        }
        if n_names != n_tensors {
            return Err(Status::invalid_argument(format!(
                "Expected totally {} inputs as input #1 (which is a string tensor of saved names) contains {n_names} \
                 names, but received {} inputs",
                n_fixed_inputs + n_names,
                n_fixed_inputs + n_tensors
            )));
        }
        let options = self.options.v1_writer();
        let filename = path(filename)?;
        self.access.check(FileUse::Write, filename)?;
        let mut writer = V1Writer::create(filename, options).map_err(status)?;
        for idx in by_name(names) {
            let (name, dtype) = (&names[idx], self.dtypes[idx]);
            if matches!(dtype, DType::Resource | DType::Variant) {
                let name = text(name);
                let message = format!("Saving data type {dtype} not yet supported (tensor {name})");
                return Err(Status::unimplemented(message));
            }
            let tensor = cx.input(n_fixed_inputs + idx)?;
            match slice_of(specs.map_or(&[], |specs| &specs[idx]), tensor)? {
                None => writer.add(name, tensor),
                Some((full_shape, slice)) => writer.add_slice(name, &full_shape, &slice, tensor),
            }
            .map_err(status)?;
        }
        writer.finish().map_err(status)
    }
}

/// A kernel that reads a tensor of a V1 checkpoint.
pub(super) struct Restoring {
    dtype: DType,
    options: SaverOptions,
    access: FileAccess,
}

impl Restoring {
    /// `preferred_shard` says in which file to look first, and nothing depends on that.
    pub(super) fn new(init: &KernelInit<'_>) -> Result<Restoring, Status> {
        if init.attr_int("preferred_shard")? < -1 {
            let message = "Attribute 'preferred_shard' must be greater or equal to -1";
            return Err(Status::invalid_argument(message));
        }
        let (options, access) = (SaverOptions::for_kernel(init), init.file_access());
        Ok(Restoring { dtype: init.attr_type("dt")?, options, access })
    }

    /// Reads the tensor that input 1 names, or the slice by a specification, from the file or files
    /// that input 0 names.
    pub(super) fn restore(&self, cx: &KernelContext<'_>, spec: &[u8]) -> Result<Tensor, Status> {
        let (pattern, names) = (cx.input(0)?.as_strings()?, cx.input(1)?.as_strings()?);
        let [pattern] = pattern else {
            return Err(Status::invalid_argument(format!(
                "Input 0 (file_pattern) must be a string scalar; got a tensor of {} elements",
                pattern.len()
            )));
        };
        // TensorFlow's words, and it takes the first of several names.
        let name = names.first().ok_or_else(|| {
            Status::invalid_argument("Input 1 (file_pattern) must be a have at least 1 elements")
        })?;
        let options = self.options.reader(cx.pool().threads());
        let pattern = path(pattern)?;
        self.access.check(FileUse::Read, pattern)?;
        let reader = V1Reader::open_with(pattern, options).map_err(status)?;
        restore(&reader.into(), name, spec, self.dtype)
    }
}

/// Reads a tensor of a V1 checkpoint, or the slice by a specification; it must be of type `dtype`.
///
/// Errors: `NOT_FOUND` for a missing name; `INVALID_ARGUMENT` for another type, a specification that
/// is malformed or of another shape, and slices that are missing; `INTERNAL` for a slice outside of
/// its shape; `DATA_LOSS` for a damaged record; `UNIMPLEMENTED` for types that V1 checkpoints do not
/// hold.
pub(super) fn restore(
    reader: &CheckpointReader,
    name: &[u8],
    spec: &[u8],
    dtype: DType,
) -> Result<Tensor, Status> {
    let entry = reader.entry(name).map_err(status)?;
    if entry.dtype != dtype {
        return Err(Status::invalid_argument(format!(
            "Expected to restore a tensor of type {dtype}, got a tensor of type {} instead: tensor_name = {}",
            entry.dtype,
            text(name)
        )));
    }
    let slice = match TensorSlice::parse_spec(&text(spec))? {
        None => TensorSlice::full(entry.shape.rank()),
        Some((shape, slice)) if shape == entry.shape => slice,
        Some((shape, _)) => {
            return Err(Status::invalid_argument(format!(
                "Shape in shape_and_slice spec does not match the shape in the save file: {shape}, save file \
                 shape: {} (tensor {})",
                entry.shape,
                text(name)
            )));
        }
    };
    reader.slice(name, &slice).map_err(|error| match &error {
        Error::UnsupportedType { dtype, .. } => {
            let name = text(name);
            let message = format!("Restoring data type {dtype} not yet supported (tensor {name})");
            Status::unimplemented(message)
        }
        // Of damaged records, the reader says this itself.
        Error::InsufficientSlices { .. } => {
            Status::new(error.code(), format!("Error copying slice data: {error}"))
        }
        _ => status(error),
    })
}
