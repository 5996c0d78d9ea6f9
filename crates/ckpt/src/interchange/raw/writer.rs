use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use flowkeep_tensor::Tensor;

use super::{MANIFEST, file_name, manifest, strings};
use crate::interchange::TensorSpec;
use crate::interchange::error::FormatError;
use crate::interchange::plain;

/// A folder under way.
pub(in crate::interchange) struct RawWriter {
    dir: PathBuf,
    n_tensors: usize,
    sync: bool,
}

impl RawWriter {
    /// Begins in a folder that is there and empty.
    pub(in crate::interchange) fn new(dir: PathBuf, sync: bool) -> RawWriter {
        RawWriter { dir, n_tensors: 0, sync }
    }

    /// Writes the file of the next tensor.
    pub(in crate::interchange) fn add(
        &mut self,
        name: &str,
        tensor: &Tensor,
    ) -> Result<(), FormatError> {
        let file = file_name::of_tensor(self.n_tensors, name);
        self.n_tensors += 1;
        self.put(&file, |out| match tensor.as_strings() {
            Ok(strings) => Ok(strings::write(strings, out)?),
            Err(_) => plain::for_each_piece(tensor, |piece| out.write_all(piece)),
        })
    }

    /// Writes the manifest.
    pub(in crate::interchange) fn finish(
        self,
        specs: &[TensorSpec],
        metadata: &[(String, String)],
    ) -> Result<(), FormatError> {
        let manifest = manifest::print(specs, metadata);
        self.put(MANIFEST, |out| Ok(out.write_all(manifest.as_bytes())?))
    }

    fn put(
        &self,
        file: &str,
        write: impl FnOnce(&mut BufWriter<File>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        let mut out = BufWriter::new(File::create_new(self.dir.join(file))?);
        write(&mut out)?;
        out.flush()?;
        if self.sync {
            out.get_ref().sync_all()?;
        }
        Ok(())
    }
}
