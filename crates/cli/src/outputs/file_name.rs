//! File names for output keys, which whoever made the model chose.

use std::fmt::Write as _;

/// Bytes of a name, at most: what file systems take, less an extension.
const MAX_LEN: usize = 240;

/// A name for the key that stays inside of its folder.
///
/// Ordinary keys stay as they are. Separators, control characters and `%` become `%XX`, so that no two
/// keys share a name.
pub(super) fn of_key(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    for c in key.chars() {
        if matches!(c, '/' | '\\' | ':' | '%') || c.is_control() {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a String cannot fail.
                let _ = write!(name, "%{byte:02X}");
            }
        } else {
            name.push(c);
        }
        if name.len() > MAX_LEN {
            break;
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use super::*;

    #[test]
    fn ordinary_keys_stay() {
        for key in ["y", "output_0", "a.b-c d", "..y", "größe"] {
            assert_eq!(of_key(key), key);
        }
    }

    #[test]
    fn no_key_leads_out_of_the_folder() {
        for key in ["/etc/passwd", "../../x", "a/b", "..", ".", "", "a\0b", "C:\\x", "%2F"] {
            let path = format!("{}.npy", of_key(key));
            let parts: Vec<_> = Path::new(&path).components().collect();
            assert!(matches!(parts[..], [Component::Normal(_)]), "{key:?} {path}");
        }
        assert_ne!(of_key("a/b"), of_key("a%2Fb"));
        assert!(of_key(&"long".repeat(1000)).len() < 250);
    }
}
