//! The content of one member, stored or deflated.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::archive::ArchiveMember;
use crate::interchange::error::{FormatError, corrupt, unsupported};
use crate::interchange::npy::{Content, Header, MAGIC};
use crate::interchange::region::{Region, Stream};

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// The flag of contents that need a password.
const ENCRYPTED: u16 = 1;
/// The most bytes that a byte of deflated content can stand for.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// A member's content, in its archive.
pub(super) struct MemberContent {
    name: String,
    flags: u16,
    method: u16,
    crc: u32,
    len: u64,
    packed_len: u64,
    data_at: u64,
    archive: Region,
    verify: bool,
}

impl MemberContent {
    pub(super) fn new(member: &ArchiveMember, archive: &Region, verify: bool) -> MemberContent {
        MemberContent {
            name: member.name.clone(),
            flags: member.flags,
            method: member.method,
            crc: member.crc,
            len: member.len,
            packed_len: member.packed_len,
            data_at: member.data_at,
            archive: archive.clone(),
            verify,
        }
    }

    /// All of it, checked.
    pub(super) fn read_all(&self) -> Result<Bytes, FormatError> {
        if let Some((bytes, _)) = self.view()? {
            self.check_view(&bytes)?;
            return Ok(bytes);
        }
        // Grows with what is unpacked; the stored length is only a bound.
        let mut bytes = Vec::new();
        self.stream(&mut |stream| Ok(stream.read_to_end(&mut bytes).map(drop)?))?;
        Ok(bytes.into())
    }

    /// The header of the array that it is, with no more unpacked than that; `None` if it is none,
    /// and is not called like one either.
    pub(super) fn header(&self) -> Result<Option<Header>, FormatError> {
        let limit = u64::try_from(MAGIC.len()).unwrap_or(u64::MAX);
        let (mut magic, mut rest) = (Vec::new(), self.unpacked()?);
        rest.by_ref().take(limit).read_to_end(&mut magic).map_err(|error| self.of(error))?;
        if magic != MAGIC && !self.name.ends_with(".npy") {
            return Ok(None);
        }
        let header = Header::read(&mut magic.chain(rest));
        header.map(Some).map_err(|error| self.named(error))
    }

    /// Adds the member's name to what is wrong with the array in it.
    pub(super) fn named(&self, error: FormatError) -> FormatError {
        match error {
            FormatError::Corrupt(what) => corrupt(format!("member {}: {what}", self.name)),
            FormatError::Unsupported(what) => unsupported(format!("member {}: {what}", self.name)),
            FormatError::Io(error) => self.of(error),
            error => error,
        }
    }

    /// The region of the packed content.
    fn packed(&self) -> Result<Region, FormatError> {
        let name = &self.name;
        if self.flags & ENCRYPTED != 0 {
            return Err(unsupported(format!("member {name} of the archive is encrypted")));
        }
        let is_possible = match self.method {
            STORED => self.len == self.packed_len,
            DEFLATED => self.len / MAX_DEFLATE_RATIO <= self.packed_len,
            method => {
                return Err(unsupported(format!(
                    "member {name} of the archive is packed with method {method}, which is not supported"
                )));
            }
        };
        if !is_possible {
            return Err(self.damaged());
        }
        self.archive.part(self.data_at, self.packed_len).map_err(|_| self.damaged())
    }

    /// The content, at most as much of it as the directory says, and not checked.
    fn unpacked(&self) -> Result<Unpacked, FormatError> {
        let stream = self.packed()?.stream();
        let unpack = match self.method {
            STORED => Unpack::Stored(stream),
            _ => Unpack::Deflated(Box::new(DeflateDecoder::new(stream))),
        };
        Ok(Unpacked { unpack, crc: self.verify.then(Crc::new), left: self.len })
    }

    fn damaged(&self) -> FormatError {
        corrupt(format!("member {} of the archive is damaged", self.name))
    }

    /// What an error of a reader means: those of the inflater, and an early end, are damage.
    fn of(&self, error: io::Error) -> FormatError {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        match error.kind() {
            InvalidData | InvalidInput | UnexpectedEof => self.damaged(),
            _ => error.into(),
        }
    }
}

impl Content for MemberContent {
    fn view(&self) -> Result<Option<(Bytes, Region)>, FormatError> {
        if self.method != STORED {
            return Ok(None);
        }
        let packed = self.packed()?;
        Ok(packed.view()?.map(|bytes| (bytes, packed)))
    }

    fn check_view(&self, bytes: &Bytes) -> Result<(), FormatError> {
        if self.verify {
            let mut crc = Crc::new();
            crc.update(bytes);
            if crc.sum() != self.crc {
                return Err(self.damaged());
            }
        }
        Ok(())
    }

    fn stream(
        &self,
        read: &mut dyn FnMut(&mut dyn Read) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        let mut unpacked = self.unpacked()?;
        read(&mut unpacked).map_err(|error| match error {
            FormatError::Io(error) => self.of(error),
            error => error,
        })?;
        io::copy(&mut unpacked, &mut io::sink()).map_err(|error| self.of(error))?;
        let is_whole = unpacked.left == 0
            && unpacked.unpack.read(&mut [0]).map_err(|error| self.of(error))? == 0;
        if !is_whole || unpacked.crc.is_some_and(|crc| crc.sum() != self.crc) {
            return Err(self.damaged());
        }
        Ok(())
    }
}

/// What comes out of a member.
struct Unpacked {
    unpack: Unpack,
    crc: Option<Crc>,
    left: u64,
}

enum Unpack {
    Stored(Stream),
    Deflated(Box<DeflateDecoder<Stream>>),
}

impl Read for Unpack {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Unpack::Stored(stream) => stream.read(out),
            Unpack::Deflated(decoder) => decoder.read(out),
        }
    }
}

impl Read for Unpacked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let limit = out.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let out = out.get_mut(..limit).unwrap_or_default();
        let n = self.unpack.read(out)?;
        if let Some(crc) = &mut self.crc {
            crc.update(out.get(..n).unwrap_or_default());
        }
        self.left = self.left.saturating_sub(u64::try_from(n).unwrap_or(u64::MAX));
        Ok(n)
    }
}
