use flowkeep_tensor::{DType, Shape, Tensor};

use crate::Error;

/// What is fed to each step.
pub trait Batches {
    /// The tensors that are fed.
    fn names(&self) -> Vec<String>;

    /// A value for each of them; `idx` counts steps from the first of the whole training, also when it
    /// goes on somewhere in the middle.
    ///
    /// Errors: any that keeps the batch from being made; the training ends with it.
    fn batch(&mut self, idx: u64) -> Result<Vec<Tensor>, Error>;
}

/// Nothing is fed.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoBatches;

impl Batches for NoBatches {
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn batch(&mut self, _idx: u64) -> Result<Vec<Tensor>, Error> {
        Ok(Vec::new())
    }
}

/// Batches that are stacked in memory: the first axis of each tensor counts steps. After the last it
/// begins anew, each tensor by itself, so that one of a single step is the same for all.
///
/// ```
/// use flowkeep_saver::train::{Batches, StackedBatches};
/// use flowkeep_tensor::Tensor;
///
/// let x = Tensor::from_vec([3, 2], vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// let mut batches = StackedBatches::new(vec![("x:0".to_owned(), x)])?;
/// assert_eq!(batches.batch(4)?[0].as_slice::<f32>()?, [3.0, 4.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct StackedBatches(Vec<(String, Tensor)>);

impl StackedBatches {
    /// Of tensors by name.
    ///
    /// Errors: `INVALID_ARGUMENT`, naming the tensor, for one that has no axis or no step.
    pub fn new(tensors: Vec<(String, Tensor)>) -> Result<StackedBatches, Error> {
        for (name, tensor) in &tensors {
            match tensor.dims() {
                [] => {
                    let what = format!("{name} is a scalar, which has no axis that counts steps");
                    return Err(Error::Saver(what));
                }
                [0, ..] => return Err(Error::Saver(format!("{name} has no steps"))),
                _ => {}
            }
        }
        Ok(StackedBatches(tensors))
    }

    /// The numbers of steps after which each tensor begins anew.
    pub fn n_steps(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.iter().map(|(name, tensor)| (&**name, tensor.dims().first().copied().unwrap_or(1)))
    }
}

impl Batches for StackedBatches {
    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    fn batch(&mut self, idx: u64) -> Result<Vec<Tensor>, Error> {
        self.0.iter().map(|(_, tensor)| Ok(row(tensor, idx)?)).collect()
    }
}

/// What a tensor has at a place of its first axis, which is taken as a circle.
fn row(tensor: &Tensor, idx: u64) -> Result<Tensor, flowkeep_tensor::Error> {
    let (n_rows, dims) = match tensor.dims().split_first() {
        Some((n_rows, dims)) => (*n_rows, dims),
        None => return Ok(tensor.clone()),
    };
    let idx = usize::try_from(idx % n_rows.max(1) as u64).unwrap_or(0);
    let shape = Shape::new(dims);
    if tensor.dtype() == DType::String {
        let len = shape.n_elements();
        return Tensor::from_strings(shape, tensor.as_strings()?[idx * len..][..len].to_vec());
    }
    let bytes = tensor.as_bytes()?;
    let len = bytes.len() / n_rows;
    Tensor::from_fill(tensor.dtype(), shape, |to| {
        to.copy_from_slice(&bytes[idx * len..][..len]);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use flowkeep_tensor::Code;

    use super::*;

    fn strings(dims: &[usize], texts: &[&'static str]) -> Tensor {
        let texts = texts.iter().map(|text| Bytes::from_static(text.as_bytes())).collect();
        Tensor::from_strings(Shape::new(dims), texts).unwrap()
    }

    #[test]
    fn each_tensor_begins_anew_by_itself() {
        let mut batches = StackedBatches::new(vec![
            ("i".into(), Tensor::from_vec([3], vec![1i64, 2, 3]).unwrap()),
            ("s".into(), strings(&[2, 1], &["a", "b"])),
            ("b".into(), Tensor::from_vec([1, 2], vec![true, false]).unwrap()),
            ("e".into(), Tensor::from_vec([2, 0], Vec::<f32>::new()).unwrap()),
        ])
        .unwrap();
        assert_eq!(batches.names(), ["i", "s", "b", "e"]);
        for (idx, number, text) in [(0, 1, "a"), (1, 2, "b"), (2, 3, "a"), (3, 1, "b"), (7, 2, "b")]
        {
            let batch = batches.batch(idx).unwrap();
            assert_eq!(batch[0].to_scalar::<i64>().unwrap(), number, "{idx}");
            assert_eq!(batch[1], strings(&[1], &[text]), "{idx}");
            assert_eq!(batch[2].as_slice::<bool>().unwrap(), [true, false], "{idx}");
            assert_eq!(batch[3].dims(), [0], "{idx}");
        }
    }

    #[test]
    fn what_has_no_steps_is_refused_by_name() {
        let refused = |tensor| {
            let error = StackedBatches::new(vec![("x:0".into(), tensor)]).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument);
            error.to_string()
        };
        assert_eq!(
            refused(Tensor::scalar(1f32)),
            "x:0 is a scalar, which has no axis that counts steps"
        );
        assert_eq!(refused(Tensor::zeros(DType::F32, [0, 4]).unwrap()), "x:0 has no steps");
    }
}
