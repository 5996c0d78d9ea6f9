//! The `.npz` format: a ZIP archive of `.npy` files, one for each array.
//!
//! The member `dense/kernel.npy` is the array that `numpy.load` shows under the key `dense/kernel`,
//! and the tensor of that name here.
//!
//! What this crate writes is what `numpy.savez` writes, members stored and not deflated, with two
//! additions that NumPy and other tools pass over:
//!
//! - Extra fields of id `0xd935`, by which other tools align members too, put the elements of every
//!   array at a multiple of 64 bytes, so that a mapped archive can be used in place.
//! - Where the type of the elements cannot be told from the array (8-bit floats, int4, quantized
//!   types), the member's comment is TensorFlow's name of it, such as `float8_e4m3fn`.
//!
//! Both stored and deflated members are read. Checksums are compared whenever an array is read.

mod archive;
mod bytes_at;
mod directory;
mod member;
mod writer;

use std::sync::Arc;

use flowkeep_bundle::source::Source;
use flowkeep_tensor::DType;

pub use archive::{Archive, ArchiveMember};

pub(super) use writer::NpzWriter;

use super::Opened;
use super::error::{FormatError, corrupt};
use super::npy::{ArrayStore, Content, member};
use super::unique::first_duplicate;

/// Opens an archive and reads the header of every array in it. Members that neither are arrays nor
/// are called `.npy` are passed over.
pub(super) fn open(source: Arc<dyn Source>, verify: bool) -> Result<Opened, FormatError> {
    let archive = Archive::open(source)?;
    let (mut members, mut arrays) = (Vec::new(), Vec::new());
    for file in archive.members() {
        let content = archive.content_of(file, verify);
        let Some(header) = content.header()? else { continue };
        let named = file.comment().and_then(DType::from_name);
        let key = file.name().strip_suffix(".npy").unwrap_or(file.name()).to_owned();
        let member = member(key, &header, named, file.len());
        members.push(member.map_err(|error| content.named(error))?);
        let content: Box<dyn Content> = Box::new(content);
        arrays.push((content, header));
    }
    if let Some(name) = first_duplicate(members.iter().map(|member| &*member.name)) {
        return Err(corrupt(format!("the archive has two members called {name}")));
    }
    Ok(Opened { members, metadata: Vec::new(), store: Box::new(ArrayStore { arrays }) })
}
