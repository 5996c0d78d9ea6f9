use flowkeep_tensor::{Tensor, TensorSlice};

use crate::{Checkpoint, Elements, Error, TensorInfo};

/// Tensors up to this many bytes are read whole whatever part is asked for.
const WHOLE_LEN: u64 = 1 << 20;
/// Bytes that are read in one go where the elements that are wanted lie apart.
const READ_LEN: usize = 512 << 10;
/// Elements that lie farther apart than this are read one by one.
const FAR: usize = 64 << 10;

/// Whether a slice is so much less than its tensor that it is better read by itself.
pub(super) fn is_worth_parts(
    checkpoint: &Checkpoint,
    info: &TensorInfo,
    slice: &TensorSlice,
) -> Result<bool, Error> {
    let n_wanted =
        slice.resolve(&info.shape)?.iter().fold(1u64, |n, (_, len)| n.saturating_mul(*len));
    let n_elements = info.n_elements() as u64;
    let is_plain = info.dtype.is_some_and(|dtype| dtype.size_bytes().is_some());
    Ok(checkpoint.as_bundle().is_some()
        && info.n_slices == 0
        && is_plain
        && info.len_bytes.is_some_and(|len| len > WHOLE_LEN)
        && n_wanted <= n_elements / 2)
}

/// Reads a slice of a tensor in as few stretches as do not take in much else.
pub(super) fn read_part(elements: &Elements<'_>, slice: &TensorSlice) -> Result<Tensor, Error> {
    let dtype = elements.dtype();
    let size = dtype.size_bytes().ok_or(flowkeep_tensor::Error::NotPlain(dtype))?;
    // Bytes of the tensor fit into 63 bits, as its entry has been checked.
    let ranges = slice.resolve(elements.shape())?.into_iter();
    let ranges: Vec<_> = ranges.map(|(start, len)| (start as usize, len as usize)).collect();
    let shape: Vec<usize> = ranges.iter().map(|(_, len)| *len).collect();
    let mut strides = vec![size; ranges.len()];
    for axis in (1..ranges.len()).rev() {
        strides[axis - 1] = strides[axis] * elements.shape().dims()[axis];
    }
    // Dimensions that are whole make one run with the one before them.
    let dims = elements.shape().dims().iter();
    let n_whole = ranges.iter().zip(dims).rev().take_while(|((_, len), dim)| len == *dim).count();
    let n_outer = (ranges.len() - n_whole).saturating_sub(1);
    let run_len = ranges[n_outer..].iter().fold(size, |n, (_, len)| n * len);
    let first: usize = ranges.iter().zip(&strides).map(|((start, _), stride)| start * stride).sum();
    let is_far = n_outer == 0 || strides[n_outer - 1] - run_len > FAR;
    Tensor::from_fill(dtype, shape, |out| -> Result<(), Error> {
        let mut window: (usize, Vec<u8>) = (0, Vec::new());
        let mut counters = vec![0; n_outer];
        let mut at = first;
        for run in out.chunks_exact_mut(run_len) {
            match run_len >= READ_LEN || is_far {
                true => elements.read_at(at as u64, run)?,
                false => read_through(elements, at, run, &mut window)?,
            }
            for axis in (0..n_outer).rev() {
                counters[axis] += 1;
                at += strides[axis];
                if counters[axis] < ranges[axis].1 {
                    break;
                }
                at -= strides[axis] * ranges[axis].1;
                counters[axis] = 0;
            }
        }
        Ok(())
    })
}

/// Reads a run by way of a window of bytes, which begins where its first number says.
fn read_through(
    elements: &Elements<'_>,
    at: usize,
    run: &mut [u8],
    window: &mut (usize, Vec<u8>),
) -> Result<(), Error> {
    let is_inside = at >= window.0 && at + run.len() <= window.0 + window.1.len();
    if !is_inside {
        let left = (elements.len_bytes() as usize).saturating_sub(at);
        window.0 = at;
        window.1.resize(READ_LEN.min(left).max(run.len()), 0);
        elements.read_at(at as u64, &mut window.1)?;
    }
    run.copy_from_slice(&window.1[at - window.0..][..run.len()]);
    Ok(())
}
