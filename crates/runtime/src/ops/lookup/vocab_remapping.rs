//! The op that tells where the words of one vocabulary are in another.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use flowkeep_tensor::{DType, Tensor};

use super::text_file::{LineFormat, io_status};
use crate::kernel::{FileAccess, FileUse, KernelContext, KernelInit, OpKernel, Status};

/// For each of `num_new_vocab` lines of a file from `new_vocab_offset` on, which line of another file
/// is the same, -1 if none is; and how many are.
///
/// Shapes: both file names scalars; outputs i64 `[num_new_vocab]` and an i32 scalar.
/// Errors: `INVALID_ARGUMENT` for other shapes, empty names, empty lines and files with too few lines;
/// `FAILED_PRECONDITION` for a line that the old file has twice; `PERMISSION_DENIED`, `NOT_FOUND` and
/// their like for files; `OUT_OF_RANGE` for empty ones.
/// Source: OpDef `GenerateVocabRemapping`.
struct GenerateVocabRemapping {
    offset: usize,
    n_new: usize,
    /// How many lines of the old file count; `None` for all.
    old_size: Option<usize>,
    access: FileAccess,
}

pub(super) fn generate_vocab_remapping(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let size = |name: &str| {
        let value = init.attr_int(name)?;
        usize::try_from(value)
            .map_err(|_| Status::invalid_argument(format!("{name} is {value}, which is below 0")))
    };
    Ok(Box::new(GenerateVocabRemapping {
        offset: size("new_vocab_offset")?,
        n_new: size("num_new_vocab")?,
        old_size: usize::try_from(init.attr_int("old_vocab_size")?).ok(),
        access: init.file_access(),
    }))
}

impl OpKernel for GenerateVocabRemapping {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let new_name = file_name(cx.input(0)?, "new_vocab_file")?;
        let old_name = file_name(cx.input(1)?, "old_vocab_file")?;
        let new = self.words(&new_name, None)?;
        let new = new.as_strings()?;
        let end = self.offset.checked_add(self.n_new).filter(|end| *end <= new.len());
        let Some(wanted) = end.and_then(|end| new.get(self.offset..end)) else {
            return Err(Status::invalid_argument(
                "lookup table size must be larger than last new vocab entry's line",
            ));
        };
        let old = self.words(&old_name, self.old_size)?;
        let mut places: HashMap<&[u8], i64> = HashMap::new();
        for (place, word) in (0i64..).zip(old.as_strings()?) {
            if let Some(first) = places.insert(word, place) {
                return Err(Status::failed_precondition(format!(
                    "HashTable has different value for same key. Key {} has {first} and trying to add value {place}",
                    String::from_utf8_lossy(word)
                )));
            }
        }
        let remapping: Vec<i64> =
            wanted.iter().map(|word| places.get(&**word).copied().unwrap_or(-1)).collect();
        let n_present = remapping.iter().filter(|place| **place >= 0).count();
        let n_present = i32::try_from(n_present).unwrap_or(i32::MAX);
        cx.set_output(0, Tensor::from_elements(remapping))?;
        cx.set_output(1, Tensor::scalar(n_present))
    }
}

impl GenerateVocabRemapping {
    /// The lines of a file, or so many of them.
    fn words(&self, path: &str, vocab_size: Option<usize>) -> Result<Tensor, Status> {
        self.access.check(FileUse::Read, Path::new(path))?;
        let file = File::open(Path::new(path)).map_err(|error| io_status(path, &error))?;
        if vocab_size == Some(0) {
            let message = format!("Finished reading 0 of lines from {path}");
            return Err(Status::out_of_range(message));
        }
        let format = LineFormat::whole_lines(vocab_size);
        Ok(format.read(path, BufReader::new(file), DType::String, DType::I64)?.0)
    }
}

fn file_name(name: &Tensor, argument: &str) -> Result<String, Status> {
    if name.shape().rank() != 0 {
        return Err(Status::invalid_argument(format!(
            "{argument} should be a single string, but got {}",
            name.shape()
        )));
    }
    match name.as_strings()? {
        [name] if !name.is_empty() => Ok(String::from_utf8_lossy(name).into_owned()),
        // TensorFlow says this of the old one too.
        _ => Err(Status::invalid_argument("new vocab filename cannot be empty.")),
    }
}
