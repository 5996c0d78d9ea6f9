//! The directory at the end of a ZIP archive: which members it has, and where each begins.
//!
//! ```text
//! central header … | [end record 64 | locator 64] | end record, comment
//!
//! central header: "PK\1\2" made-by u16 needs u16 flags u16 method u16 time u16 date u16 crc u32
//!   packed u32 len u32 name-len u16 extra-len u16 comment-len u16 disk u16 attributes u16 u32
//!   header-at u32 | name | extra | comment
//! end record 64: "PK\6\6" size u64 made-by u16 needs u16 disk u32 disk u32
//!   members u64 members u64 directory-len u64 directory-at u64
//! locator 64: "PK\6\7" disk u32 end-record-64-at u64 disks u32
//! end record: "PK\5\6" disk u16 disk u16 members u16 members u16
//!   directory-len u32 directory-at u32 comment-len u16 | comment
//! ```
//!
//! Numbers that are all ones are found elsewhere: those of the end record in the end record 64, those
//! of a central header in an extra field of id 1 ("zip64"), in the order len, packed, header-at.

use bytes::Bytes;

use super::archive::ArchiveMember;
use super::bytes_at::{array_at, u16_at, u32_at, u64_at};
use crate::interchange::error::{FormatError, corrupt};
use crate::interchange::region::Region;

pub(super) const CENTRAL: &[u8] = b"PK\x01\x02";
pub(super) const END: &[u8] = b"PK\x05\x06";
pub(super) const END64: &[u8] = b"PK\x06\x06";
pub(super) const LOCATOR64: &[u8] = b"PK\x06\x07";
/// The id of the extra field with 64-bit numbers.
pub(super) const ZIP64: u16 = 1;
/// The flag of names in UTF-8.
pub(super) const UTF8: u16 = 1 << 11;

pub(super) const CENTRAL_LEN: usize = 46;
const END_LEN: usize = 22;
const END64_LEN: usize = 56;
const LOCATOR64_LEN: usize = 20;
const MAX_COMMENT: usize = 0xffff;

/// The directory as it lies in the file.
pub(super) struct Directory {
    bytes: Bytes,
    n_members: u64,
    /// Where it begins in the file; all members end before it.
    pub(super) at: u64,
}

impl Directory {
    /// Finds the directory and reads it.
    pub(super) fn read(archive: &Region) -> Result<Directory, FormatError> {
        let damaged = || corrupt("the archive's directory is damaged");
        let tail_len = u64::try_from(LOCATOR64_LEN + END_LEN + MAX_COMMENT).unwrap_or(u64::MAX);
        let tail_at = archive.len().saturating_sub(tail_len);
        let tail = archive.rest(tail_at)?.read()?;
        let end = find_end(&tail)?;
        let record = tail.get(end..).unwrap_or_default();
        if u32_at(record, 4)? != 0 {
            return Err(corrupt("the archive is one of several parts"));
        }
        let mut n_members = u64::from(u16_at(record, 10)?);
        let mut len = u64::from(u32_at(record, 12)?);
        let mut at = u64::from(u32_at(record, 16)?);
        let mut directory_end = tail_at + u64::try_from(end).unwrap_or(u64::MAX);
        let locator = end.checked_sub(LOCATOR64_LEN).and_then(|at| tail.get(at..end));
        if let Some(locator) = locator.filter(|locator| locator.starts_with(LOCATOR64)) {
            directory_end = u64_at(locator, 8)?;
            let record_len = u64::try_from(END64_LEN).unwrap_or(u64::MAX);
            let record = archive.part(directory_end, record_len).map_err(|_| damaged())?.read()?;
            if array_at::<4>(&record, 0)? != END64 {
                return Err(damaged());
            }
            n_members = u64_at(&record, 32)?;
            len = u64_at(&record, 40)?;
            at = u64_at(&record, 48)?;
        }
        if at.checked_add(len) != Some(directory_end) {
            return Err(damaged());
        }
        let bytes = archive.part(at, len).map_err(|_| damaged())?.read()?;
        Ok(Directory { bytes, n_members, at })
    }

    /// The members, in the directory's order.
    pub(super) fn members(&self) -> Result<Vec<ArchiveMember>, FormatError> {
        let mut rest = &self.bytes[..];
        let mut members = Vec::new();
        for _ in 0..self.n_members {
            let member;
            (member, rest) = read_member(rest)?;
            members.push(member);
        }
        if !rest.is_empty() {
            return Err(corrupt("the archive's directory is damaged"));
        }
        Ok(members)
    }
}

/// Where the record at the end begins; the comment that may follow it ends the file.
fn find_end(tail: &[u8]) -> Result<usize, FormatError> {
    let last =
        tail.len().checked_sub(END_LEN).ok_or_else(|| corrupt("the archive is cut short"))?;
    let is_end = |at: &usize| {
        let record = tail.get(*at..).unwrap_or_default();
        let comment_len = u16_at(record, 20).map(usize::from);
        record.starts_with(END) && comment_len.is_ok_and(|len| END_LEN + len == record.len())
    };
    (last.saturating_sub(MAX_COMMENT)..=last)
        .rev()
        .find(is_end)
        .ok_or_else(|| corrupt("the archive is cut short: it has no directory"))
}

/// Reads a central header; gives what follows it as well.
fn read_member(header: &[u8]) -> Result<(ArchiveMember, &[u8]), FormatError> {
    let damaged = || corrupt("the archive's directory is damaged");
    if !header.starts_with(CENTRAL) {
        return Err(damaged());
    }
    let cut = |bytes: &mut &[u8], len: u16| -> Result<Vec<u8>, FormatError> {
        let (part, rest) = bytes.split_at_checked(usize::from(len)).ok_or_else(damaged)?;
        *bytes = rest;
        Ok(part.to_vec())
    };
    let mut rest = header.get(CENTRAL_LEN..).ok_or_else(damaged)?;
    let raw_name = cut(&mut rest, u16_at(header, 28)?)?;
    let extra = cut(&mut rest, u16_at(header, 30)?)?;
    let comment = cut(&mut rest, u16_at(header, 32)?)?;
    let flags = u16_at(header, 8)?;
    let mut member = ArchiveMember {
        name: name(&raw_name, flags).ok_or_else(damaged)?,
        raw_name,
        comment,
        flags,
        method: u16_at(header, 10)?,
        crc: u32_at(header, 16)?,
        packed_len: u64::from(u32_at(header, 20)?),
        len: u64::from(u32_at(header, 24)?),
        header_at: u64::from(u32_at(header, 42)?),
        data_at: 0,
    };
    read_zip64(&mut member, &extra)?;
    Ok((member, rest))
}

/// Takes the 64-bit values of the extra field for those that are all ones in 32 bits.
fn read_zip64(member: &mut ArchiveMember, mut extra: &[u8]) -> Result<(), FormatError> {
    while extra.len() >= 4 {
        let (id, len) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
        let field = extra.get(4..4 + len);
        let field = field.ok_or_else(|| corrupt("the archive's directory is damaged"))?;
        if id == ZIP64 {
            let mut at = 0;
            for value in [&mut member.len, &mut member.packed_len, &mut member.header_at] {
                if *value == u64::from(u32::MAX) {
                    *value = u64_at(field, at)?;
                    at += 8;
                }
            }
        }
        extra = extra.get(4 + len..).unwrap_or_default();
    }
    Ok(())
}

/// A name in UTF-8 if its flag says so, else in the character set of the first PCs, as Python's
/// `zipfile` reads it.
fn name(bytes: &[u8], flags: u16) -> Option<String> {
    if flags & UTF8 != 0 {
        return std::str::from_utf8(bytes).ok().map(str::to_owned);
    }
    let upper: Vec<char> = CP437_UPPER.chars().collect();
    bytes
        .iter()
        .map(|byte| match byte.checked_sub(128) {
            None => Some(char::from(*byte)),
            Some(idx) => upper.get(usize::from(idx)).copied(),
        })
        .collect()
}

/// The upper half of code page 437.
const CP437_UPPER: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
                           └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_their_flag_says() {
        assert_eq!(name("grün/x".as_bytes(), UTF8).as_deref(), Some("grün/x"));
        assert_eq!(name(b"gr\x81n/\x80\xff", 0).as_deref(), Some("grün/Ç\u{a0}"));
        assert_eq!(name(b"gr\x81n", UTF8), None);
        assert_eq!(CP437_UPPER.chars().count(), 128);
    }

    #[test]
    fn the_end_is_found_before_comments_that_look_like_it() {
        let record = |comment: &[u8]| {
            let len = (comment.len() as u16).to_le_bytes();
            [END, &[0; 16], &len, comment].concat()
        };
        assert_eq!(find_end(&record(b"")).unwrap(), 0);
        let decoy = record(b"");
        assert_eq!(find_end(&[b"xy", &record(&decoy[..21])[..]].concat()).unwrap(), 2);
        assert_eq!(find_end(&record(&[b'x'; 0xffff])).unwrap(), 0);
        assert!(find_end(&[&record(b"")[..], b"x"].concat()).is_err());
        assert!(find_end(b"").is_err());
    }
}
