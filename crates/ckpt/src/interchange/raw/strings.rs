//! String tensors: all lengths, then all bytes.

use std::io::{self, Write};

use bytes::Bytes;
use flowkeep_tensor::{Shape, Tensor};

use crate::interchange::error::{FormatError, corrupt};
use crate::interchange::region::Region;

/// Reads the strings that fill a region; they share its bytes.
///
/// Errors: `DATA_LOSS` if they do not fill it.
pub(super) fn read(shape: &Shape, region: &Region) -> Result<Tensor, FormatError> {
    let damaged = || corrupt("the lengths of the strings are not those of their file");
    let n = shape.checked_n_elements().ok_or_else(damaged)?;
    let bytes = region.read()?;
    let lens_len = n.checked_mul(8).filter(|len| *len <= bytes.len()).ok_or_else(damaged)?;
    let (lens, mut rest) = (bytes.slice(..lens_len), bytes.slice(lens_len..));
    let (lens, _) = lens.as_chunks();
    let mut strings = Vec::with_capacity(n);
    for len in lens {
        let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| damaged())?;
        if len > rest.len() {
            return Err(damaged());
        }
        strings.push(rest.split_to(len));
    }
    if !rest.is_empty() {
        return Err(damaged());
    }
    Ok(Tensor::from_strings(shape, strings)?)
}

pub(super) fn write(strings: &[Bytes], out: &mut impl Write) -> io::Result<()> {
    for string in strings {
        out.write_all(&u64::try_from(string.len()).unwrap_or(u64::MAX).to_le_bytes())?;
    }
    strings.iter().try_for_each(|string| out.write_all(string))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flowkeep_bundle::source::BytesSource;

    use super::*;

    fn read_bytes(n: usize, bytes: &[u8]) -> Result<Tensor, FormatError> {
        read(&[n].into(), &Region::of(Arc::new(BytesSource::new(bytes.to_vec()))))
    }

    #[test]
    fn strings_of_all_kinds_come_back() {
        let strings = ["", "a\0", "\0", "", "größe"].map(Bytes::from);
        let mut file = Vec::new();
        write(&strings, &mut file).unwrap();
        assert_eq!(read_bytes(5, &file).unwrap().as_strings().unwrap(), strings);
        assert!(read_bytes(4, &file).is_err());
        assert!(read_bytes(6, &file).is_err());
        for len in 0..file.len() {
            assert!(read_bytes(5, &file[..len]).is_err(), "{len}");
        }
        file[3] = 0xff;
        assert!(read_bytes(5, &file).is_err());
        assert_eq!(read_bytes(0, &[]).unwrap().n_elements(), 0);
    }
}
