use std::sync::{Mutex, PoisonError};

use flowkeep_bundle::Key;
use flowkeep_tensor::DType;

use crate::elements::Elements;
use crate::floats::{self, Float};
use crate::transfer::{self, Compute, Content, Item};
use crate::{Checkpoint, Error, Output, Progress, Selection, Written};

/// What was cast.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CastReport {
    /// The names of tensors that have another type now, in order.
    pub cast: Vec<Key>,
    /// The number of tensors that are as they were.
    pub n_kept: usize,
    /// What was written.
    pub written: Written,
}

/// Writes a checkpoint in which selected float tensors have the type `to`: half, bfloat16, float or
/// double. All other tensors are copied.
///
/// Values are rounded once, to nearest and ties to even; what is too large becomes infinite. A tensor
/// in slices is stored whole.
///
/// Errors: `INVALID_ARGUMENT` if `to` is none of those types; those of reading and writing.
pub fn cast(
    from: &Checkpoint,
    to: DType,
    selection: &Selection,
    output: &Output,
    progress: Progress<'_>,
) -> Result<CastReport, Error> {
    let Some(to) = Float::of(to) else {
        let what = format!("tensors can be cast to half, bfloat16, float and double, not to {to}");
        return Err(Error::Invalid(what));
    };
    let mut report = CastReport::default();
    let mut items = Vec::with_capacity(from.tensors().len());
    for info in from.tensors() {
        let float = info.dtype.and_then(Float::of);
        match float.filter(|float| *float != to && selection.contains(&info.name)) {
            None => {
                items.push(Item::copy(from, info, info.name.clone())?);
                report.n_kept += 1;
            }
            Some(_) => {
                let name = info.name.clone();
                let open = move || -> Result<Box<dyn Compute + '_>, Error> {
                    Ok(Box::new(Cast::new(from.elements(&name)?, to)?))
                };
                items.push(Item {
                    name: info.name.clone(),
                    dtype: to.dtype(),
                    shape: info.shape.clone(),
                    len_bytes: info.n_elements() as u64 * to.size() as u64,
                    content: Content::Compute(Box::new(open)),
                });
                report.cast.push(info.name.clone());
            }
        }
    }
    report.cast.sort();
    report.written = transfer::write(items, output, progress)?;
    Ok(report)
}

/// A tensor on its way to another float type.
struct Cast<'a> {
    elements: Elements<'a>,
    from: Float,
    to: Float,
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl<'a> Cast<'a> {
    fn new(elements: Elements<'a>, to: Float) -> Result<Cast<'a>, Error> {
        let from = Float::of(elements.dtype());
        let from = from.ok_or_else(|| Error::Invalid("the tensor is none of floats".into()))?;
        Ok(Cast { elements, from, to, buffers: Mutex::default() })
    }
}

impl Compute for Cast<'_> {
    fn fill(&self, at: u64, out: &mut [u8]) -> Result<(), Error> {
        let buffers = || self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = buffers().pop().unwrap_or_default();
        buffer.resize(out.len() / self.to.size() * self.from.size(), 0);
        let at = at / self.to.size() as u64 * self.from.size() as u64;
        self.elements.read_at(at, &mut buffer)?;
        floats::convert(self.from, &buffer, self.to, out);
        buffers().push(buffer);
        Ok(())
    }

    fn finish(&self) -> Result<(), Error> {
        self.elements.finish()
    }
}
