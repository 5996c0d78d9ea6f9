/// The longest part of a tensor's name that is kept, in bytes.
const MAX_HINT: usize = 64;

/// The name of the file of the tensor `idx`.
///
/// The number makes names differ, also where capitals do not count, and keeps them from being those
/// of devices; of the tensor's name only letters, digits, dots, `-` and `_` are kept.
pub(super) fn of_tensor(idx: usize, name: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let hint: String =
        name.chars().take(MAX_HINT).map(|c| if is_safe(c) { c } else { '_' }).collect();
    format!("{idx:05}-{hint}.bin")
}

/// Whether a manifest may name this file: one in its own folder.
pub(super) fn is_safe(file: &str) -> bool {
    let is_special = |c: char| matches!(c, '/' | '\\' | ':') || c.is_control();
    !file.is_empty() && file != "." && file != ".." && !file.contains(is_special)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_whatever_the_tensors_are_called() {
        assert_eq!(of_tensor(7, "dense/kernel"), "00007-dense_kernel.bin");
        assert_eq!(of_tensor(123_456, ""), "123456-.bin");
        for name in ["/etc/passwd", "../../x", "a\0b", "C:\\x", "größe\n", "con", &"x".repeat(5000)]
        {
            let file = of_tensor(0, name);
            assert!(is_safe(&file) && file.is_ascii() && file.len() < 100, "{file}");
        }
    }

    #[test]
    fn files_elsewhere_are_refused() {
        for file in ["", ".", "..", "/x", "../x", "a/b", "a\\b", "C:x", "a\0"] {
            assert!(!is_safe(file), "{file:?}");
        }
        assert!(is_safe("größe .bin"));
    }
}
