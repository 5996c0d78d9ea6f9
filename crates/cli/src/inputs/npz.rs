//! The `.npz` format: a ZIP archive of `.npy` files, stored or deflated.
//!
//! The central directory at the end lists the members and where each begins; sizes beyond 32 bits are
//! in an extra field ("zip64").

use std::io::Read as _;

use bytes::Bytes;
use flate2::{Crc, read::DeflateDecoder};

use super::npy::{Error, corrupt};

const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
const CENTRAL_HEADER: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END64: &[u8] = b"PK\x06\x06";
const END64_LOCATOR: &[u8] = b"PK\x06\x07";
const END_LEN: usize = 22;
const LOCAL_LEN: usize = 30;
const CENTRAL_LEN: usize = 46;
const MAX_COMMENT: usize = u16::MAX as usize;

/// An opened archive.
#[derive(Debug)]
pub(super) struct Archive {
    content: Bytes,
    members: Vec<Member>,
}

/// A file in an archive.
#[derive(Debug)]
pub(super) struct Member {
    name: String,
    method: u16,
    crc: u32,
    packed_len: u64,
    len: u64,
    header_at: u64,
}

impl Archive {
    /// Whether the content is that of a ZIP archive.
    pub(super) fn is_one(content: &[u8]) -> bool {
        content.starts_with(LOCAL_HEADER) || content.starts_with(END)
    }

    /// Reads the archive's directory.
    pub(super) fn open(content: &Bytes) -> Result<Archive, Error> {
        let end = find_end(content)?;
        let mut n_members = u64::from(u16_at(content, end + 10)?);
        let mut at = u64::from(u32_at(content, end + 16)?);
        if let Some(locator) =
            end.checked_sub(20).filter(|at| content[*at..].starts_with(END64_LOCATOR))
        {
            let end64 = to_usize(u64_at(content, locator + 8)?)?;
            if !content.get(end64..).is_some_and(|rest| rest.starts_with(END64)) {
                return Err(corrupt("the archive's directory is damaged"));
            }
            n_members = u64_at(content, end64 + 32)?;
            at = u64_at(content, end64 + 48)?;
        }
        let mut at = to_usize(at)?;
        let mut members = Vec::new();
        for _ in 0..n_members {
            let (member, next) = Member::read(content, at)?;
            members.push(member);
            at = next;
        }
        Ok(Archive { content: content.clone(), members })
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member of this name, with or without its `.npy`.
    pub(super) fn find(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| {
            member.name == name || member.name.strip_suffix(".npy").is_some_and(|stem| stem == name)
        })
    }

    /// The member's content, unpacked and checked.
    pub(super) fn content(&self, member: &Member) -> Result<Bytes, Error> {
        let damaged = || corrupt(format!("member {} of the archive is damaged", member.name));
        let at = to_usize(member.header_at)?;
        if !self.content.get(at..).is_some_and(|rest| rest.starts_with(LOCAL_HEADER)) {
            return Err(damaged());
        }
        let name_len = usize::from(u16_at(&self.content, at + 26)?);
        let extra_len = usize::from(u16_at(&self.content, at + 28)?);
        let start = at + LOCAL_LEN + name_len + extra_len;
        let end = start.checked_add(to_usize(member.packed_len)?).ok_or_else(damaged)?;
        if end > self.content.len() {
            return Err(damaged());
        }
        let packed = self.content.slice(start..end);
        let content = match member.method {
            0 => packed,
            8 => {
                // Grows with what is unpacked; the stored length is only a bound.
                let mut content = Vec::new();
                DeflateDecoder::new(&packed[..])
                    .take(member.len.saturating_add(1))
                    .read_to_end(&mut content)
                    .map_err(|_| damaged())?;
                content.into()
            }
            method => {
                return Err(Error::Unsupported(format!(
                    "member {} of the archive is packed with method {method}, which is not supported",
                    member.name
                )));
            }
        };
        let mut crc = Crc::new();
        crc.update(&content);
        if content.len() as u64 != member.len || crc.sum() != member.crc {
            return Err(damaged());
        }
        if !content.starts_with(super::npy::MAGIC) {
            return Err(corrupt(format!("member {} of the archive is not an array", member.name)));
        }
        Ok(content)
    }
}

impl Member {
    /// Reads an entry of the directory; gives where the next one begins as well.
    fn read(content: &[u8], at: usize) -> Result<(Member, usize), Error> {
        let damaged = || corrupt("the archive's directory is damaged");
        if !content.get(at..).is_some_and(|rest| rest.starts_with(CENTRAL_HEADER)) {
            return Err(damaged());
        }
        let name_len = usize::from(u16_at(content, at + 28)?);
        let extra_len = usize::from(u16_at(content, at + 30)?);
        let comment_len = usize::from(u16_at(content, at + 32)?);
        let name_at = at + CENTRAL_LEN;
        let extra_at = name_at + name_len;
        let next = extra_at + extra_len + comment_len;
        let name = content.get(name_at..extra_at).ok_or_else(damaged)?;
        let extra = content.get(extra_at..extra_at + extra_len).ok_or_else(damaged)?;
        let mut member = Member {
            name: String::from_utf8_lossy(name).into_owned(),
            method: u16_at(content, at + 10)?,
            crc: u32_at(content, at + 16)?,
            packed_len: u64::from(u32_at(content, at + 20)?),
            len: u64::from(u32_at(content, at + 24)?),
            header_at: u64::from(u32_at(content, at + 42)?),
        };
        member.read_zip64(extra)?;
        Ok((member, next))
    }

    /// Takes the 64-bit values of the extra field for those that are all ones in 32 bits.
    fn read_zip64(&mut self, mut extra: &[u8]) -> Result<(), Error> {
        while extra.len() >= 4 {
            let (id, len) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
            let field = extra
                .get(4..4 + len)
                .ok_or_else(|| corrupt("the archive's directory is damaged"))?;
            if id == 1 {
                let mut at = 0;
                for value in [&mut self.len, &mut self.packed_len, &mut self.header_at] {
                    if *value == u64::from(u32::MAX) {
                        *value = u64_at(field, at)?;
                        at += 8;
                    }
                }
            }
            extra = &extra[4 + len..];
        }
        Ok(())
    }
}

/// Where the record at the end of the archive begins; a comment may follow it.
fn find_end(content: &[u8]) -> Result<usize, Error> {
    let last =
        content.len().checked_sub(END_LEN).ok_or_else(|| corrupt("the archive is cut short"))?;
    let first = last.saturating_sub(MAX_COMMENT);
    (first..=last)
        .rev()
        .find(|at| content[*at..].starts_with(END))
        .ok_or_else(|| corrupt("the archive is cut short: it has no directory"))
}

fn array_at<const N: usize>(content: &[u8], at: usize) -> Result<[u8; N], Error> {
    let bytes = at.checked_add(N).and_then(|end| content.get(at..end));
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| corrupt("the archive is cut short"))
}

fn u16_at(content: &[u8], at: usize) -> Result<u16, Error> {
    array_at(content, at).map(u16::from_le_bytes)
}

fn u32_at(content: &[u8], at: usize) -> Result<u32, Error> {
    array_at(content, at).map(u32::from_le_bytes)
}

fn u64_at(content: &[u8], at: usize) -> Result<u64, Error> {
    array_at(content, at).map(u64::from_le_bytes)
}

fn to_usize(value: u64) -> Result<usize, Error> {
    // Half the range is out of any file's reach and keeps sums of offsets from overflowing.
    usize::try_from(value)
        .ok()
        .filter(|value| *value <= isize::MAX as usize)
        .ok_or_else(|| corrupt("the archive is cut short"))
}
