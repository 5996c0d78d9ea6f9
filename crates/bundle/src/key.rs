use std::fmt;
use std::ops::Deref;

use crate::slice_key;

/// A key of a bundle: the name of a tensor, any bytes, nearly always UTF-8.
///
/// Prints as text, with replacement characters where it is none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// The key as text, if it is valid UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        str::from_utf8(&self.0).ok()
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Key {
    fn from(bytes: Vec<u8>) -> Key {
        Key(bytes)
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<str> for Key {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Key {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&text(&self.0))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&text(&self.0), f)
    }
}

/// A key as messages show it; the key of a slice is spelled out, as in `w slice 0,2:-`.
pub(crate) fn text(key: &[u8]) -> String {
    match slice_key::decode(key) {
        Some((name, slice)) => format!("{} slice {slice}", String::from_utf8_lossy(&name)),
        None => String::from_utf8_lossy(key).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_print_as_text() {
        let key = Key::from(b"conv/kernel".to_vec());
        assert_eq!((key.to_string().as_str(), key.as_str()), ("conv/kernel", Some("conv/kernel")));
        assert_eq!(key, "conv/kernel");
        assert_eq!(format!("{key:>12}|"), " conv/kernel|");
        let key = Key::from(vec![b'a', 0xff]);
        assert_eq!((key.to_string().as_str(), key.as_str()), ("a\u{fffd}", None));
        let slice = slice_key::encode(b"w", &"0,2:-".parse().unwrap());
        assert_eq!(Key::from(slice).to_string(), "w slice 0,2:-");
    }
}
