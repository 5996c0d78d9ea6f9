//! What the release that wrote a MetaGraph did not write yet.

/// Whether variables say whether they are trainable: since release 1.9, of which candidates come before
/// it. A version that is none, as builds of one's own have, counts as new if it begins with no number.
pub(super) fn says_trainable(version: &str) -> bool {
    let mut rest = version.trim().trim_start_matches(['v', 'V']);
    let mut numbers = Vec::new();
    while numbers.len() < 3 {
        let n_digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let Some((digits, behind)) = rest.split_at_checked(n_digits) else { break };
        let Ok(number) = digits.parse::<u64>() else { break };
        numbers.push(number);
        rest = behind;
        match rest.strip_prefix('.') {
            Some(behind) => rest = behind,
            None => break,
        }
    }
    let mut release = numbers.into_iter();
    let Some(major) = release.next() else { return true };
    let (minor, patch) = (release.next().unwrap_or(0), release.next().unwrap_or(0));
    let rest = rest.trim_start_matches(['.', '-', '_']).to_ascii_lowercase();
    let is_candidate =
        ["a", "b", "c", "rc", "dev", "pre"].iter().any(|sign| rest.starts_with(sign));
    match (major, minor, patch).cmp(&(1, 9, 0)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => !is_candidate,
        std::cmp::Ordering::Greater => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_say_since_1_9_whether_they_are_trainable() {
        // As packaging.version orders them, where it takes them.
        for (version, says) in [
            ("", true),
            ("2.21.0", true),
            ("1.15.5", true),
            ("1.9", true),
            ("1.9.0", true),
            ("1.9.1-rc0", true),
            ("1.9.0-rc0", false),
            ("1.9.0rc2", false),
            ("1.9.0-dev20180601", false),
            ("1.9.0+local", true),
            ("1.8.0", false),
            ("1.10.0-rc1", true),
            ("0.12.head", false),
            ("unknown", true),
        ] {
            assert_eq!(says_trainable(version), says, "{version}");
        }
    }
}
