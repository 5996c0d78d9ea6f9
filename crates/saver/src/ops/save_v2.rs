use flowkeep_bundle::BundleWriter;
use flowkeep_runtime::kernel::{FileAccess, FileUse, KernelContext, KernelInit, OpKernel, Status};
use flowkeep_tensor::DType;

use super::args::{Request, slice_of, text};
use super::{Built, status};
use crate::SaverOptions;

/// The inputs before the tensors: prefix, names, slice specifications.
const N_FIXED_INPUTS: usize = 3;

/// Saves tensors, or slices of tensors, as a V2 checkpoint of one data file.
///
/// Inputs: the prefix (one string), the names (strings `[n]`), the slice specifications (strings
/// `[n]`, empty for a whole tensor), and the `n` tensors. Values lie in the data file in the order
/// of the inputs. The prefix's directory is made if its parent is there; the index appears last,
/// and replaces that of a checkpoint of the same prefix ([`SaverOptions`] says how).
///
/// Nothing is written before all specifications have been checked. A save that fails leaves what
/// was under the prefix as it was.
/// Errors: `INVALID_ARGUMENT` for other shapes, specifications that are malformed or do not fit
/// their tensor, the empty name, a name that is there twice (but for slices), slices that overlap,
/// and resources; `INTERNAL` for a slice outside of its shape; `NOT_FOUND` if the directory's parent
/// is missing; `UNIMPLEMENTED` for variants; what the system reports.
/// Source: OpDef `SaveV2`.
struct SaveV2 {
    dtypes: Vec<DType>,
    options: SaverOptions,
    access: FileAccess,
}

pub(super) fn build(init: &KernelInit<'_>) -> Built {
    let dtypes = init.attr_types("dtypes")?.to_vec();
    let (options, access) = (SaverOptions::for_kernel(init), init.file_access());
    Ok(Box::new(SaveV2 { dtypes, options, access }))
}

impl OpKernel for SaveV2 {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let n = self.dtypes.len();
        let Request { prefix, names, specs } =
            Request::read(cx, n, |got| format!("Got {got} tensor names but {n} tensors."))?;
        let mut parts = Vec::with_capacity(n);
        for (idx, dtype) in self.dtypes.iter().enumerate() {
            check_dtype(&names[idx], *dtype)?;
            let tensor = cx.input(N_FIXED_INPUTS + idx)?;
            let slice = slice_of(&specs[idx], tensor)?;
            parts.push((&names[idx], tensor, slice));
        }
        self.access.check(FileUse::Write, prefix)?;
        let options = self.options.writer(cx.pool().threads());
        let mut writer = BundleWriter::create(prefix, options).map_err(status)?;
        for (name, tensor, slice) in parts {
            match slice {
                None => writer.add(name, tensor),
                Some((full_shape, slice)) => writer.add_slice(name, &full_shape, &slice, tensor),
            }
            .map_err(status)?;
        }
        writer.finish().map_err(status)
    }
}

fn check_dtype(name: &[u8], dtype: DType) -> Result<(), Status> {
    let name = text(name);
    match dtype {
        DType::Resource => Err(Status::invalid_argument(format!(
            "tensor {name} has data type resource, which cannot be saved"
        ))),
        DType::Variant => Err(Status::unimplemented(format!(
            "tensor {name} has data type variant, which cannot be saved yet"
        ))),
        _ => Ok(()),
    }
}
