use std::path::Path;

use flowkeep_bundle::{BundleReader, Key, Oddity, ReaderOptions, VerifyOptions};
use flowkeep_tensor::Code;

use crate::parallel::in_parallel;
use crate::salvage::bundle_at;
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
    /// What is damaged in the index of a bundle, which then cannot be opened as usual.
    pub index_damage: Vec<String>,
}

impl Verified {
    /// Whether every tensor can be read.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.index_damage.is_empty()
    }
}

/// Checks what a path means, also if it cannot be opened because its index is damaged: tensors that
/// the index still has are then read all the same. Gives what was found, too.
///
/// `begin` is told how many bytes there are, and gives what is called with each number of bytes that has
/// been checked. Errors: as [`Checkpoint::open`], but for damaged indices.
pub fn verify_at<P: Fn(u64) + Sync>(
    path: &Path,
    options: ReaderOptions,
    begin: impl FnOnce(u64) -> P,
) -> Result<(String, Verified), Error> {
    let opened = Checkpoint::open_with(path, options);
    let (checkpoint, index_damage) = match opened {
        Ok(checkpoint) => (checkpoint, Vec::new()),
        Err(error) if error.code() == Code::DataLoss => match bundle_at(path) {
            None => return Err(error),
            Some(prefix) => {
                let recovered = BundleReader::recover(&prefix, options)?;
                let damage = match recovered.damage.is_empty() {
                    // Single entries may be what keeps it from being opened.
                    true => vec![error.to_string()],
                    false => recovered.damage,
                };
                (Checkpoint::from(recovered.reader), damage)
            }
        },
        Err(error) => return Err(error),
    };
    let progress = begin(checkpoint.len_bytes());
    let options = VerifyOptions { threads: options.threads, progress: Some(&progress) };
    let verified = verify(&checkpoint, options);
    Ok((checkpoint.found().to_owned(), Verified { index_damage, ..verified }))
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
            index_damage: Vec::new(),
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
