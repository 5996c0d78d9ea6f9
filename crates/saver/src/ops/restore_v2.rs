use std::collections::BTreeMap;

use bytes::Bytes;
use flowkeep_bundle::{BundleReader, CheckpointReader, Entry};
use flowkeep_runtime::kernel::{FileAccess, FileUse, KernelContext, KernelInit, OpKernel, Status};
use flowkeep_tensor::{DType, Tensor, TensorSlice};

use super::args::{Request, text};
use super::{Built, status, v1};
use crate::{SaverOptions, Verify};

/// Bytes of tensors that are loaded before their pages are let go of.
const LOADED_AT_ONCE: u64 = 16 << 20;

/// Tensors of fewer bytes are copied rather than mapped.
const SMALL: usize = 64 << 10;

/// Restores tensors, or slices of tensors, from a checkpoint: the V2 checkpoint of this prefix if it
/// has an index, else the V1 checkpoint of this path or pattern.
///
/// Inputs: the prefix (one string), the names (strings `[n]`), the slice specifications (strings
/// `[n]`, empty for a whole tensor). Outputs: the `n` tensors; a name may be there several times.
///
/// Of a V2 checkpoint, all names are looked up before anything else is checked, then all types, then
/// all specifications, and only then is data read: whole tensors by several threads. Of several
/// tensors with the same fault, the error is that of the first in the order of the data files.
/// Of a V1 checkpoint, tensors are restored one by one in the order of the outputs, as by
/// `RestoreSlice`.
///
/// Errors: `PERMISSION_DENIED` for a prefix that the graph may not read; `NOT_FOUND` for a missing checkpoint, name or data file; `INVALID_ARGUMENT` for other
/// shapes, types other than the stored ones (of a V2 checkpoint, a line for each), and specifications
/// that are malformed or of another shape; `INTERNAL` for a slice outside of its shape; `DATA_LOSS`
/// for corrupt files (or for who looks at the tensor, see [`Verify`]), `OUT_OF_RANGE` for short ones; `UNIMPLEMENTED` for variants, and for types that
/// V1 checkpoints do not hold.
/// Source: OpDef `RestoreV2`.
struct RestoreV2 {
    dtypes: Vec<DType>,
    options: SaverOptions,
    access: FileAccess,
}

pub(super) fn build(init: &KernelInit<'_>) -> Built {
    let dtypes = init.attr_types("dtypes")?.to_vec();
    let (options, access) = (SaverOptions::for_kernel(init), init.file_access());
    Ok(Box::new(RestoreV2 { dtypes, options, access }))
}

impl OpKernel for RestoreV2 {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let n = self.dtypes.len();
        let request = Request::read(cx, n, |got| {
            format!("Got {got} tensor names, but {n} expected dtypes.")
        })?;
        self.access.check(FileUse::Read, request.prefix)?;
        let options = self.options.reader(cx.pool().threads());
        let reader = CheckpointReader::open_with(request.prefix, options).map_err(status)?;
        let restored = match reader.as_bundle() {
            Some(reader) => self.restore_bundle(reader, &request)?,
            None => self.restore_v1(&reader, &request)?,
        };
        for (idx, tensor) in restored {
            cx.set_output(idx, tensor)?;
        }
        Ok(())
    }
}

impl RestoreV2 {
    /// The tensors of a V2 checkpoint, each with its output.
    fn restore_bundle(
        &self,
        reader: &BundleReader,
        request: &Request<'_>,
    ) -> Result<Vec<(usize, Tensor)>, Status> {
        let mut wanted = Vec::with_capacity(self.dtypes.len());
        for (idx, dtype) in self.dtypes.iter().enumerate() {
            let (name, spec) = (&request.names[idx][..], &request.specs[idx][..]);
            let entry = reader.entry(name).map_err(status)?;
            wanted.push(Wanted { idx, name, spec, dtype: *dtype, entry });
        }
        wanted.sort_by_key(|wanted| (wanted.entry.shard, wanted.entry.offset));
        check_types(&wanted)?;
        let defer = self.options.mmap && self.options.verify == Verify::AtFirstUse;
        read(reader, &wanted, defer)
    }

    /// The tensors of a V1 checkpoint, each with its output.
    fn restore_v1(
        &self,
        reader: &CheckpointReader,
        request: &Request<'_>,
    ) -> Result<Vec<(usize, Tensor)>, Status> {
        let tensor = |(idx, dtype): (usize, &DType)| {
            let tensor = v1::restore(reader, &request.names[idx], &request.specs[idx], *dtype)?;
            Ok((idx, tensor))
        };
        self.dtypes.iter().enumerate().map(tensor).collect()
    }
}

/// A tensor of a V2 checkpoint to restore.
struct Wanted<'a> {
    /// The output.
    idx: usize,
    name: &'a [u8],
    /// Full shape and slice, or empty for the whole tensor.
    spec: &'a [u8],
    dtype: DType,
    entry: Entry,
}

impl Wanted<'_> {
    /// The slice that is wanted, or `None` for the whole tensor.
    fn slice(&self) -> Result<Option<TensorSlice>, Status> {
        let Some((shape, slice)) = TensorSlice::parse_spec(&text(self.spec))? else {
            return Ok(None);
        };
        if shape == self.entry.shape {
            return Ok(Some(slice));
        }
        Err(Status::invalid_argument(format!(
            "tensor_name = {}; shape in shape_and_slice spec {shape} does not match the shape stored in \
             checkpoint: {}",
            text(self.name),
            self.entry.shape
        )))
    }
}

/// Checks that the stored types are those that are wanted; names all that are not.
fn check_types(wanted: &[Wanted<'_>]) -> Result<(), Status> {
    let mut mismatches = Vec::new();
    for Wanted { name, dtype, entry, .. } in wanted {
        if entry.dtype != *dtype {
            mismatches.push(format!(
                "tensor_name = {}; expected dtype {dtype} does not equal original dtype {}",
                text(name),
                entry.dtype
            ));
        }
    }
    if !mismatches.is_empty() {
        return Err(Status::invalid_argument(mismatches.join("\n")));
    }
    match wanted.iter().find(|wanted| wanted.dtype == DType::Variant) {
        None => Ok(()),
        Some(Wanted { name, .. }) => Err(Status::unimplemented(format!(
            "tensor {} has data type variant, which cannot be restored yet",
            text(name)
        ))),
    }
}

/// The tensors that are wanted, each with its output; whole ones are read when they are looked at, if
/// that is to be deferred.
fn read(
    reader: &BundleReader,
    wanted: &[Wanted<'_>],
    defer: bool,
) -> Result<Vec<(usize, Tensor)>, Status> {
    let slices = wanted.iter().map(Wanted::slice).collect::<Result<Vec<_>, _>>()?;
    // Each whole tensor is read once, however often it is wanted.
    let (mut keys, mut places) = (Vec::new(), BTreeMap::new());
    for (wanted, _) in wanted.iter().zip(&slices).filter(|(_, slice)| slice.is_none()) {
        places.entry(wanted.name).or_insert_with(|| {
            keys.push((wanted.name, wanted.entry.size));
            keys.len() - 1
        });
    }
    let whole = match defer {
        true => keys.iter().map(|(name, _)| reader.deferred(name).map_err(status)).collect(),
        false => load(reader, &keys),
    }?;
    let mut restored = Vec::with_capacity(wanted.len());
    for (Wanted { idx, name, .. }, slice) in wanted.iter().zip(&slices) {
        let tensor = match slice {
            None => whole[places[name]].clone(),
            Some(slice) => reader.slice(name, slice).map_err(status)?,
        };
        restored.push((*idx, tensor));
    }
    Ok(restored)
}

/// A tensor that is no view of a file, where a small view would keep much of the file around it in memory.
fn copy_of(tensor: &Tensor) -> Result<Tensor, Status> {
    match tensor.as_bytes() {
        Ok(bytes) => {
            let bytes = Bytes::copy_from_slice(bytes);
            Ok(Tensor::from_bytes(tensor.dtype(), tensor.shape(), bytes)?)
        }
        // Strings are no views.
        Err(_) => Ok(tensor.clone()),
    }
}

/// Loads whole tensors of these sizes. What was mapped and checked is let go of, some of it at a time:
/// until a kernel wants it, and for tensors that none will want.
fn load(reader: &BundleReader, keys: &[(&[u8], u64)]) -> Result<Vec<Tensor>, Status> {
    let mut tensors = Vec::with_capacity(keys.len());
    let mut rest = keys;
    while !rest.is_empty() {
        let mut n_bytes = 0u64;
        let fits = |(_, size): &&(&[u8], u64)| {
            n_bytes = n_bytes.saturating_add(*size);
            n_bytes <= LOADED_AT_ONCE
        };
        let (now, later) = rest.split_at(rest.iter().take_while(fits).count().max(1));
        let names: Vec<&[u8]> = now.iter().map(|(name, _)| *name).collect();
        for tensor in reader.load(&names).map_err(status)? {
            tensor.release_memory();
            tensors.push(if tensor.len_bytes() < SMALL { copy_of(&tensor)? } else { tensor });
        }
        rest = later;
    }
    Ok(tensors)
}
