//! Writes archives of stored members.
//!
//! ```text
//! local header | name | zip64: len, packed | alignment | array        … for each member
//! directory (see `directory`)
//! ```

use std::io::{self, Write};

use flate2::Crc;
use flowkeep_tensor::{DType, Tensor};

use super::archive::{LOCAL, LOCAL_LEN};
use super::directory::{CENTRAL, CENTRAL_LEN, END, END64, LOCATOR64, UTF8, ZIP64};
use crate::interchange::error::{FormatError, unsupported};
use crate::interchange::npy::{Descr, Encoded};

/// The contents of members begin at multiples of this many bytes, and so do the elements in them.
const ALIGN: u64 = 64;
/// The id of extra fields that are there for alignment, and the length of an empty one.
const ALIGNMENT: u16 = 0xd935;
const ALIGNMENT_LEN: u64 = 6;
/// The version that knows 64-bit numbers; made by version 4.5 for Unix.
const VERSION: u16 = 45;
const MADE_BY: u16 = (3 << 8) | VERSION;
/// The first of January 1980: archives of the same tensors are the same.
const DATE: u16 = (1 << 5) | 1;
/// Reading and writing by the owner, as the permissions of a file on Unix.
const ATTRIBUTES: u32 = 0o600 << 16;
const MANY: u16 = u16::MAX;

/// An archive under way.
pub(in crate::interchange) struct NpzWriter<W> {
    out: W,
    at: u64,
    directory: Vec<u8>,
    n_members: u64,
}

impl<W: Write> NpzWriter<W> {
    pub(in crate::interchange) fn new(out: W) -> NpzWriter<W> {
        NpzWriter { out, at: 0, directory: Vec::new(), n_members: 0 }
    }

    /// Writes a tensor as the member `<name>.npy`.
    pub(in crate::interchange) fn add(
        &mut self,
        name: &str,
        tensor: &Tensor,
    ) -> Result<(), FormatError> {
        let array = Encoded::new(tensor)?;
        let mut crc = Crc::new();
        array.for_each_piece(|piece| {
            crc.update(piece);
            Ok(())
        })?;
        let header_at = self.at;
        let name = format!("{name}.npy");
        let header = Header {
            name_len: u16::try_from(name.len())
                .map_err(|_| unsupported("an archive has no names of 64 KiB and more"))?,
            flags: if name.is_ascii() { 0 } else { UTF8 },
            crc: crc.sum(),
            len: to_u64(array.len()),
        };
        self.put(&header.local(&name, header_at))?;
        let out = &mut self.out;
        array.for_each_piece(|piece| out.write_all(piece))?;
        self.at += header.len;
        header.put_central(&mut self.directory, &name, comment(tensor.dtype()), header_at);
        self.n_members += 1;
        Ok(())
    }

    /// Writes the directory. Without it, nothing is an archive.
    pub(in crate::interchange) fn finish(mut self) -> Result<(), FormatError> {
        let (at, len) = (self.at, to_u64(self.directory.len()));
        let directory = std::mem::take(&mut self.directory);
        self.put(&directory)?;
        let n_members = u16::try_from(self.n_members).ok().filter(|n| *n != MANY);
        let (len32, at32) = (narrow(len), narrow(at));
        if n_members.is_none() || len32 == u32::MAX || at32 == u32::MAX {
            let end64_at = self.at;
            self.put(&end64(self.n_members, len, at, end64_at))?;
        }
        let n_members = n_members.unwrap_or(MANY).to_le_bytes();
        let (len, at) = (len32.to_le_bytes(), at32.to_le_bytes());
        self.put(&[END, &[0; 4], &n_members, &n_members, &len, &at, &[0; 2]].concat())?;
        Ok(self.out.flush()?)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += to_u64(bytes.len());
        self.out.write_all(bytes)
    }
}

/// What both headers of a member say.
struct Header {
    name_len: u16,
    flags: u16,
    crc: u32,
    len: u64,
}

impl Header {
    /// The header in front of the member, which begins at `at`. Its lengths are always in the extra
    /// field, as NumPy writes them.
    fn local(&self, name: &str, at: u64) -> Vec<u8> {
        let (len, ones) = (self.len.to_le_bytes(), u32::MAX.to_le_bytes());
        let zip64 = [&ZIP64.to_le_bytes()[..], &16u16.to_le_bytes(), &len, &len].concat();
        let fixed = to_u64(LOCAL_LEN + name.len() + zip64.len());
        let alignment = alignment(at + fixed);
        let extra_len = u16::try_from(zip64.len() + alignment.len()).unwrap_or(u16::MAX);
        let (name_len, extra_len) = (self.name_len.to_le_bytes(), extra_len.to_le_bytes());
        let common = self.common();
        [LOCAL, &common, &ones, &ones, &name_len, &extra_len, name.as_bytes(), &zip64, &alignment]
            .concat()
    }

    /// Appends the header in the directory. Only numbers that need it are in the extra field.
    fn put_central(&self, directory: &mut Vec<u8>, name: &str, comment: &str, header_at: u64) {
        let (len, at) = (narrow(self.len), narrow(header_at));
        let mut values = Vec::new();
        if len == u32::MAX {
            values.extend_from_slice(&self.len.to_le_bytes().repeat(2));
        }
        if at == u32::MAX {
            values.extend_from_slice(&header_at.to_le_bytes());
        }
        let mut extra = Vec::new();
        if let Some(values_len) = u16::try_from(values.len()).ok().filter(|len| *len > 0) {
            extra = [&ZIP64.to_le_bytes()[..], &values_len.to_le_bytes(), &values].concat();
        }
        let short = |len: usize| u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes();
        let start = directory.len();
        for part in [
            CENTRAL,
            &MADE_BY.to_le_bytes(),
            &self.common(),
            &len.to_le_bytes().repeat(2),
            &self.name_len.to_le_bytes(),
            &short(extra.len()),
            &short(comment.len()),
            // The first part, and no attributes of DOS.
            &[0; 4],
            &ATTRIBUTES.to_le_bytes(),
            &at.to_le_bytes(),
        ] {
            directory.extend_from_slice(part);
        }
        debug_assert_eq!(directory.len() - start, CENTRAL_LEN);
        for part in [name.as_bytes(), &extra, comment.as_bytes()] {
            directory.extend_from_slice(part);
        }
    }

    /// Version, flags, method (stored), time, date, checksum.
    fn common(&self) -> Vec<u8> {
        let [version, flags, date] = [VERSION, self.flags, DATE].map(u16::to_le_bytes);
        [&version[..], &flags, &[0; 4], &date, &self.crc.to_le_bytes()].concat()
    }
}

/// An extra field after which, begun at `at`, an aligned place follows.
fn alignment(at: u64) -> Vec<u8> {
    let rest = at.next_multiple_of(ALIGN) - at;
    if rest == 0 {
        return Vec::new();
    }
    let len = if rest < ALIGNMENT_LEN { rest + ALIGN } else { rest };
    let n_zeros = usize::try_from(len - ALIGNMENT_LEN).unwrap_or(0);
    let field_len = u16::try_from(len - 4).unwrap_or(u16::MAX);
    let unit = u16::try_from(ALIGN).unwrap_or(u16::MAX);
    let [id, field_len, unit] = [ALIGNMENT, field_len, unit].map(u16::to_le_bytes);
    [&id[..], &field_len, &unit, &vec![0; n_zeros]].concat()
}

/// The end record with 64-bit numbers, and the locator that points at it.
fn end64(n_members: u64, len: u64, at: u64, end64_at: u64) -> Vec<u8> {
    let version = VERSION.to_le_bytes();
    let n_members = n_members.to_le_bytes();
    [
        END64,
        // The length of what follows.
        &44u64.to_le_bytes(),
        &version,
        &version,
        &[0; 8],
        &n_members,
        &n_members,
        &len.to_le_bytes(),
        &at.to_le_bytes(),
        LOCATOR64,
        &[0; 4],
        &end64_at.to_le_bytes(),
        &1u32.to_le_bytes(),
    ]
    .concat()
}

/// The name of a type that its array does not tell.
fn comment(dtype: DType) -> &'static str {
    let told = Descr::written_for(dtype).and_then(Descr::parse).and_then(Descr::dtype);
    if dtype == DType::String || told == Some(dtype) { "" } else { dtype.name() }
}

/// A number in 32 bits, or the one that stands for a longer one.
fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn to_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignment_fields_end_at_aligned_places() {
        for at in 0..200 {
            let field = alignment(at);
            assert_eq!((at + field.len() as u64) % ALIGN, 0, "{at}");
            assert!(field.is_empty() || field[2] as usize + 4 == field.len(), "{at}");
        }
    }
}
