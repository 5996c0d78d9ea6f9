use std::path::Path;

use flowkeep_bundle::{BundleReader, ReaderOptions};
use flowkeep_runtime::kernel::{KernelContext, KernelInit, OpKernel, Status};
use flowkeep_tensor::{DType, Shape, Tensor, TensorSlice};

/// Restores tensors from a V2 checkpoint.
///
/// Inputs: the prefix (string scalar), the names (strings `[n]`), the slice specifications
/// (strings `[n]`, empty for a whole tensor). Outputs: the `n` tensors.
/// Errors: `NOT_FOUND` for a missing checkpoint or name, `INVALID_ARGUMENT` for a type other than
/// the stored one, `DATA_LOSS` for corrupt files.
/// Source: OpDef `RestoreV2`.
struct RestoreV2 {
    dtypes: Vec<DType>,
    mmap: bool,
}

pub(crate) fn build_reading(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    build(init, false)
}

pub(crate) fn build_mapping(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    build(init, true)
}

fn build(init: &KernelInit<'_>, mmap: bool) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(RestoreV2 { dtypes: init.attr_types("dtypes")?.to_vec(), mmap }))
}

impl OpKernel for RestoreV2 {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let prefix = match cx.input(0)?.as_strings()? {
            [prefix] => text(prefix, "prefix")?.to_owned(),
            prefixes => {
                let message = format!(
                    "Input 0 (prefix) must be a scalar string tensor, got {} elements",
                    prefixes.len()
                );
                return Err(Status::invalid_argument(message));
            }
        };
        let names = cx.input(1)?.as_strings()?.to_vec();
        let slices = cx.input(2)?.as_strings()?.to_vec();
        if names.len() != self.dtypes.len() || slices.len() != names.len() {
            let message = format!(
                "{} tensor names and {} slices were given for {} outputs",
                names.len(),
                slices.len(),
                self.dtypes.len()
            );
            return Err(Status::invalid_argument(message));
        }
        let options = ReaderOptions { mmap: self.mmap, ..ReaderOptions::default() };
        let reader = BundleReader::open_with(Path::new(&prefix), options).map_err(status)?;
        let mut wanted = Vec::with_capacity(names.len());
        for ((name, spec), dtype) in names.iter().zip(&slices).zip(&self.dtypes) {
            wanted.push(Wanted {
                name: text(name, "tensor name")?,
                spec: text(spec, "slice")?,
                dtype: *dtype,
            });
        }
        check(&reader, &wanted)?;
        for (idx, wanted) in wanted.iter().enumerate() {
            cx.set_output(idx, read(&reader, wanted)?)?;
        }
        Ok(())
    }
}

/// A tensor to restore.
struct Wanted<'a> {
    name: &'a str,
    /// Full shape and slice, or empty for the whole tensor.
    spec: &'a str,
    dtype: DType,
}

/// Looks up every entry before any data is read: the first missing name in sorted order is the
/// error, then all types that differ.
fn check(reader: &BundleReader, wanted: &[Wanted<'_>]) -> Result<(), Status> {
    let mut sorted: Vec<_> = wanted.iter().collect();
    sorted.sort_by_key(|wanted| wanted.name);
    let mut mismatches = Vec::new();
    for Wanted { name, dtype, .. } in sorted {
        let stored = reader.entry(name).map_err(status)?.dtype;
        if stored != *dtype {
            mismatches.push(format!(
                "tensor_name = {name}; expected dtype {dtype} does not equal original dtype {stored}"
            ));
        }
    }
    if mismatches.is_empty() {
        return Ok(());
    }
    Err(Status::invalid_argument(mismatches.join("\n")))
}

fn read(reader: &BundleReader, wanted: &Wanted<'_>) -> Result<Tensor, Status> {
    let name = wanted.name;
    if wanted.spec.is_empty() {
        return reader.tensor(name).map_err(status);
    }
    let (shape, slice) = full_shape_and_slice(wanted.spec)?;
    let entry = reader.entry(name).map_err(status)?;
    if entry.shape != shape {
        let message = format!(
            "tensor_name = {name}; shape in shape_and_slice spec {shape} does not match the shape stored in \
             checkpoint: {}",
            entry.shape
        );
        return Err(Status::invalid_argument(message));
    }
    reader.slice(name, &slice).map_err(status)
}

/// The parts of a specification `dim dim .. slice`, such as `4 3 0,2:-`.
fn full_shape_and_slice(spec: &str) -> Result<(Shape, TensorSlice), Status> {
    let mut words: Vec<_> = spec.split(' ').collect();
    let slice = words.pop().unwrap_or_default();
    let dims = words.iter().map(|dim| dim.parse()).collect::<Result<Vec<usize>, _>>();
    let dims =
        dims.map_err(|_| Status::invalid_argument(format!("'{spec}' is no shape and slice")))?;
    Ok((Shape::from(dims), slice.parse()?))
}

fn text<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, Status> {
    std::str::from_utf8(bytes)
        .map_err(|_| Status::invalid_argument(format!("the {what} is not UTF-8")))
}

fn status(error: flowkeep_bundle::Error) -> Status {
    Status::new(error.code(), error.to_string())
}
