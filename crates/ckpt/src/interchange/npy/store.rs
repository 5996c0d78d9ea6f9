//! Arrays in files and archives, read when they are asked for.

use std::io::{self, Read};

use bytes::Bytes;
use flowkeep_tensor::{DType, Tensor};

use super::{Array, Descr, Header, Kind};
use crate::interchange::error::{FormatError, corrupt};
use crate::interchange::region::Region;
use crate::interchange::{Member, Store, plain};

/// The bytes of an array and its header, wherever they lie.
pub(in crate::interchange) trait Content: Send + Sync {
    /// The bytes, if they lie in memory as they are, and where; not checked.
    fn view(&self) -> Result<Option<(Bytes, Region)>, FormatError>;

    /// Compares the checksum of the viewed bytes, if there is one.
    fn check_view(&self, bytes: &Bytes) -> Result<(), FormatError>;

    /// Has all the bytes read by `read`, and compares their checksum, if there is one.
    fn stream(
        &self,
        read: &mut dyn FnMut(&mut dyn Read) -> Result<(), FormatError>,
    ) -> Result<(), FormatError>;
}

/// Arrays with their headers.
pub(in crate::interchange) struct ArrayStore {
    pub(in crate::interchange) arrays: Vec<(Box<dyn Content>, Header)>,
}

impl Store for ArrayStore {
    fn read(&self, idx: usize, dtype: DType) -> Result<Tensor, FormatError> {
        let (content, header) =
            self.arrays.get(idx).ok_or_else(|| corrupt("the array is not there"))?;
        let descr = header.supported()?;
        descr.check_can_be(dtype)?;
        let is_plain = !matches!(descr.kind, Kind::Bytes | Kind::Text);
        let is_row_major = !header.fortran_order || header.shape.rank() < 2;
        if is_plain && is_row_major {
            read_plain(&**content, header, descr, dtype)
        } else {
            Array::new(header, data(&**content, header, descr)?)?.to_tensor(dtype)
        }
    }
}

/// Elements that lie as they should, but for their byte order.
fn read_plain(
    content: &dyn Content,
    header: &Header,
    descr: Descr,
    dtype: DType,
) -> Result<Tensor, FormatError> {
    let len = header.len_bytes(descr)?;
    let big_endian = descr.big_endian && descr.word() > 1;
    if !big_endian && let Some((bytes, region)) = content.view()? {
        let place = region.part(to_u64(header.data_at), to_u64(len))?;
        let data = bytes.slice(header.data_at..header.data_at + len);
        if let Some(tensor) = plain::view(dtype, &header.shape, &data, &place)? {
            content.check_view(&bytes)?;
            return Ok(tensor);
        }
    }
    let mut tensor = None;
    content.stream(&mut |stream| {
        skip(stream, header.data_at)?;
        tensor = Some(plain::read(dtype, &header.shape, big_endian, stream)?);
        Ok(())
    })?;
    tensor.ok_or_else(|| corrupt("the array was not read"))
}

/// The bytes of the elements.
fn data(content: &dyn Content, header: &Header, descr: Descr) -> Result<Bytes, FormatError> {
    let len = header.len_bytes(descr)?;
    if let Some((bytes, _)) = content.view()? {
        content.check_view(&bytes)?;
        return Ok(bytes.slice(header.data_at..header.data_at + len));
    }
    let mut data = Vec::new();
    content.stream(&mut |stream| {
        skip(stream, header.data_at)?;
        data.try_reserve_exact(len).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        stream.take(to_u64(len)).read_to_end(&mut data)?;
        header.check_len(data.len())
    })?;
    Ok(data.into())
}

fn skip(stream: &mut dyn Read, len: usize) -> Result<(), FormatError> {
    io::copy(&mut stream.take(to_u64(len)), &mut io::sink())?;
    Ok(())
}

fn to_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// What is listed of an array whose bytes, header and elements, are `len`.
///
/// `named` is the type that the array says it is of elsewhere.
///
/// Errors: `DATA_LOSS` if that is too few.
pub(in crate::interchange) fn member(
    name: String,
    header: &Header,
    named: Option<DType>,
    len: u64,
) -> Result<Member, FormatError> {
    let len = usize::try_from(len).unwrap_or(usize::MAX).saturating_sub(header.data_at);
    header.check_len(len)?;
    let len_bytes = header.descr.map(|descr| header.len_bytes(descr)).transpose()?.unwrap_or(len);
    let dtype = header
        .descr
        .and_then(|descr| named.filter(|named| descr.can_be(*named)).or_else(|| descr.dtype()));
    Ok(Member {
        name,
        dtype,
        stored_type: header.descr_text.clone(),
        shape: header.shape.clone(),
        len_bytes: to_u64(len_bytes),
    })
}
