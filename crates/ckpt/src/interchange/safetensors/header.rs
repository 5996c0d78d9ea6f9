//! The header: read without trust, and printed.

use std::fmt;

use flowkeep_tensor::{MAX_RANK, Shape};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::{METADATA, dtype};
use crate::interchange::Member;
use crate::interchange::error::{FormatError, corrupt};
use crate::interchange::unique::first_duplicate;

/// What a header says, not yet compared with the file.
pub(super) struct Header {
    pub(super) metadata: Vec<(String, String)>,
    tensors: Vec<(String, Info)>,
}

struct Info {
    dtype: String,
    shape: Vec<usize>,
    offsets: [u64; 2],
}

/// A tensor that is in the file, and where it begins among the elements.
pub(super) struct Placed {
    pub(super) member: Member,
    pub(super) begin: u64,
}

/// Reads a header.
///
/// Errors: `DATA_LOSS` if it is not JSON of the right form, or has a name twice.
pub(super) fn parse(json: &[u8]) -> Result<Header, FormatError> {
    let header: Header = serde_json::from_slice(json)
        .map_err(|error| corrupt(format!("the header is damaged: {error}")))?;
    let names = header.tensors.iter().map(|(name, _)| &**name);
    if let Some(name) = first_duplicate(names) {
        return Err(corrupt(format!("the header has two tensors called {name}")));
    }
    Ok(header)
}

impl Header {
    /// The tensors in the order of their places, which fill `data_len` bytes without holes.
    ///
    /// Errors: `DATA_LOSS` if they do not.
    pub(super) fn tensors(&self, data_len: u64) -> Result<Vec<Placed>, FormatError> {
        let mut placed = Vec::with_capacity(self.tensors.len());
        let mut infos: Vec<_> = self.tensors.iter().collect();
        infos.sort_by_key(|(_, info)| info.offsets);
        let mut end = 0;
        for (name, info) in infos {
            let damaged = |what: &str| corrupt(format!("tensor {name} of the header {what}"));
            let [begin, this_end] = info.offsets;
            if begin != end || this_end < begin || this_end > data_len {
                return Err(damaged("is not where it should be"));
            }
            end = this_end;
            if info.shape.len() > MAX_RANK {
                return Err(damaged("has too many dimensions"));
            }
            let shape = Shape::from(&info.shape[..]);
            let known = dtype::of_name(&info.dtype);
            if let Some((bits, _)) = known {
                let len = shape.checked_n_elements().and_then(|n| n.checked_mul(bits));
                let len = len.filter(|n| n % 8 == 0).and_then(|n| u64::try_from(n / 8).ok());
                if len != Some(end - begin) {
                    return Err(damaged("has another length than its shape"));
                }
            }
            let member = Member {
                name: name.clone(),
                dtype: known.and_then(|(_, dtype)| dtype),
                stored_type: info.dtype.clone(),
                shape,
                len_bytes: end - begin,
            };
            placed.push(Placed { member, begin });
        }
        if end != data_len {
            return Err(corrupt(format!(
                "the header tells of {end} bytes, the file has {data_len}"
            )));
        }
        Ok(placed)
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Header, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut header = Header { metadata: Vec::new(), tensors: Vec::new() };
                let mut has_metadata = false;
                while let Some(name) = map.next_key::<String>()? {
                    if name != METADATA {
                        header.tensors.push((name, map.next_value()?));
                    } else if std::mem::replace(&mut has_metadata, true) {
                        return Err(A::Error::duplicate_field(METADATA));
                    } else {
                        let metadata: Option<Texts> = map.next_value()?;
                        header.metadata = metadata.map_or_else(Vec::new, |texts| texts.0);
                    }
                }
                Ok(header)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// The metadata: texts by name, in the file's order.
struct Texts(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    texts.push(entry);
                }
                Ok(Texts(texts))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

impl<'de> Deserialize<'de> for Info {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Info, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Info;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with dtype, shape and data_offsets")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Info, A::Error> {
                let (mut dtype, mut shape, mut offsets) = (None, None, None);
                while let Some(field) = map.next_key::<String>()? {
                    let is_second = match &*field {
                        "dtype" => dtype.replace(map.next_value()?).is_some(),
                        "shape" => shape.replace(map.next_value()?).is_some(),
                        "data_offsets" => offsets.replace(map.next_value()?).is_some(),
                        _ => map.next_value::<IgnoredAny>().map(|_| false)?,
                    };
                    if is_second {
                        return Err(A::Error::custom(format!("duplicate field `{field}`")));
                    }
                }
                Ok(Info {
                    dtype: dtype.ok_or_else(|| A::Error::missing_field("dtype"))?,
                    shape: shape.ok_or_else(|| A::Error::missing_field("shape"))?,
                    offsets: offsets.ok_or_else(|| A::Error::missing_field("data_offsets"))?,
                })
            }
        }

        deserializer.deserialize_map(Fields)
    }
}
