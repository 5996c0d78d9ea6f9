use flowkeep_bundle::{Key, Oddity, VerifyOptions};

use crate::parallel::in_parallel;
use crate::{Checkpoint, Error};

/// What is wrong with a checkpoint, and what is odd about it.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Verified {
    /// The number of tensors.
    pub n_tensors: usize,
    /// The bytes that were read.
    pub n_bytes: u64,
    /// Tensors that cannot be read, with the reason, in order.
    pub damaged: Vec<(Key, Error)>,
    /// What a bundle may have and TensorFlow's writer does not make.
    pub oddities: Vec<Oddity>,
}

impl Verified {
    /// Whether every tensor can be read.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty()
    }
}

/// Reads everything, and compares it with its checksums where the format has some.
pub fn verify(checkpoint: &Checkpoint, options: VerifyOptions<'_>) -> Verified {
    if let Some(reader) = checkpoint.as_bundle() {
        let report = reader.verify(options);
        let damaged = report.damaged.into_iter().map(|(key, error)| (key, error.into()));
        return Verified {
            n_tensors: report.n_tensors,
            n_bytes: report.n_bytes,
            damaged: damaged.collect(),
            oddities: report.oddities,
        };
    }
    let tensors = checkpoint.tensors();
    let read = in_parallel(
        options.threads,
        tensors.len() as u64,
        || (),
        |number, ()| {
            let info = &tensors[number as usize];
            let result = checkpoint.tensor(&info.name);
            if let Some(progress) = options.progress {
                progress(info.len_bytes.unwrap_or_default());
            }
            let len = result.map(|tensor| info.len_bytes.unwrap_or(tensor.len_bytes() as u64));
            Ok::<_, std::convert::Infallible>((info.name.clone(), len))
        },
    );
    let mut verified = Verified { n_tensors: tensors.len(), ..Verified::default() };
    for (name, result) in read.unwrap_or_default() {
        match result {
            Ok(len) => verified.n_bytes += len,
            Err(error) => verified.damaged.push((name, error)),
        }
    }
    verified.n_tensors += checkpoint.damaged().len();
    for (name, error) in checkpoint.damaged() {
        let what = error.to_string();
        verified.damaged.push((name.clone(), Error::Damaged { tensor: name.to_string(), what }));
    }
    verified.damaged.sort_by(|(a, _), (b, _)| a.cmp(b));
    verified
}
