use std::sync::Arc;

use bytes::Bytes;
use flowkeep_bundle::source::Source;

use super::bytes_at::u16_at;
use super::directory::{Directory, END};
use super::member::MemberContent;
use crate::interchange::error::{FormatError, corrupt};
use crate::interchange::npy;
use crate::interchange::region::Region;
use crate::interchange::unique::first_duplicate;

pub(super) const LOCAL: &[u8] = b"PK\x03\x04";
pub(super) const LOCAL_LEN: usize = 30;

/// A ZIP archive of arrays that is open: its directory, checked. The members' contents are read when
/// they are asked for.
pub struct Archive {
    region: Region,
    members: Vec<ArchiveMember>,
}

/// A file in an archive.
#[derive(Clone, Debug)]
pub struct ArchiveMember {
    pub(super) name: String,
    pub(super) raw_name: Vec<u8>,
    pub(super) comment: Vec<u8>,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) packed_len: u64,
    pub(super) len: u64,
    pub(super) header_at: u64,
    pub(super) data_at: u64,
}

impl ArchiveMember {
    /// The file's name in the archive, such as `x.npy`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The length of the unpacked content in bytes.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks; members hold arrays")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The comment on the file, if it is a text.
    pub(super) fn comment(&self) -> Option<&str> {
        std::str::from_utf8(&self.comment).ok()
    }
}

impl Archive {
    /// Whether a file that begins with these bytes is an archive.
    pub fn is_one(start: &[u8]) -> bool {
        start.starts_with(LOCAL) || start.starts_with(END)
    }

    /// Reads the directory of an archive and the headers of its members.
    ///
    /// Errors: `DATA_LOSS` if it is damaged: members that are not there, that overlap, or that share
    /// a name.
    pub fn open(source: Arc<dyn Source>) -> Result<Archive, FormatError> {
        let region = Region::of(source);
        let directory = Directory::read(&region)?;
        let mut members = directory.members()?;
        for member in &mut members {
            member.data_at = read_local(&region, member)?;
        }
        check_places(&members, directory.at)?;
        if let Some(name) = first_duplicate(members.iter().map(ArchiveMember::name)) {
            return Err(corrupt(format!("the archive has two members called {name}")));
        }
        Ok(Archive { region, members })
    }

    /// The members, in the directory's order.
    pub fn members(&self) -> &[ArchiveMember] {
        &self.members
    }

    /// The member of this name, or of this name and `.npy`.
    pub fn find(&self, name: &str) -> Option<&ArchiveMember> {
        let exact = self.members.iter().find(|member| member.name == name);
        exact.or_else(|| {
            self.members.iter().find(|member| member.name.strip_suffix(".npy") == Some(name))
        })
    }

    /// The content of a member that is an array, unpacked and checked.
    ///
    /// Errors: `DATA_LOSS` if it is not what was written, or no array; `UNIMPLEMENTED` if it is
    /// packed in a way other than deflate.
    pub fn content(&self, member: &ArchiveMember) -> Result<Bytes, FormatError> {
        let content = self.content_of(member, true).read_all()?;
        if !content.starts_with(npy::MAGIC) {
            let name = &member.name;
            return Err(corrupt(format!("member {name} of the archive is not an array")));
        }
        Ok(content)
    }

    /// The content of a member, to be read later.
    pub(super) fn content_of(&self, member: &ArchiveMember, verify: bool) -> MemberContent {
        MemberContent::new(member, &self.region, verify)
    }
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("members", &self.members).finish_non_exhaustive()
    }
}

/// Reads the header in front of a member's content; gives where the content begins.
///
/// ```text
/// "PK\3\4" needs u16 flags u16 method u16 time u16 date u16 crc u32 packed u32 len u32
///   name-len u16 extra-len u16 | name | extra
/// ```
fn read_local(archive: &Region, member: &ArchiveMember) -> Result<u64, FormatError> {
    let damaged = || corrupt(format!("member {} of the archive is damaged", member.name));
    let to_u64 = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
    let len = to_u64(LOCAL_LEN + member.raw_name.len());
    let header = archive.part(member.header_at, len).map_err(|_| damaged())?.read()?;
    let name_len = usize::from(u16_at(&header, 26)?);
    let is_same = name_len == member.raw_name.len() && header.ends_with(&member.raw_name);
    if !header.starts_with(LOCAL) || !is_same {
        return Err(damaged());
    }
    let data_at = member.header_at + len + u64::from(u16_at(&header, 28)?);
    archive.part(data_at, member.packed_len).map_err(|_| damaged())?;
    Ok(data_at)
}

/// Checks that no member reaches into another one or into the directory.
fn check_places(members: &[ArchiveMember], directory_at: u64) -> Result<(), FormatError> {
    let mut places: Vec<_> = members.iter().collect();
    places.sort_by_key(|member| member.header_at);
    let starts = places.iter().skip(1).map(|member| member.header_at).chain([directory_at]);
    for (member, next) in places.iter().zip(starts) {
        // Both numbers were found to be within the file.
        if member.data_at + member.packed_len > next {
            return Err(corrupt(format!(
                "member {} of the archive overlaps what follows it",
                member.name
            )));
        }
    }
    Ok(())
}
