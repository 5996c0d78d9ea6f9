//! Names with a scope, and without.

use std::borrow::Cow;

/// A name of a node, a tensor or an input without the scope that it begins with.
///
/// The scope may have a slash at its end. What is in no such scope stays, also what merely begins like
/// it: of `s/a`, `^s/a:0`, `loc:@s/a` and `sx/a` the scope `s` is taken from the first three.
pub fn strip_name_scope<'a>(name: &'a str, scope: &str) -> Cow<'a, str> {
    if scope.is_empty() {
        return name.into();
    }
    let scope = scope.strip_suffix('/').unwrap_or(scope);
    for (at, _) in name.char_indices() {
        let Some(rest) = name.get(at..) else { break };
        let sign = match rest {
            rest if rest.starts_with('^') => 1,
            rest if rest.starts_with("loc:@") => "loc:@".len(),
            _ if at == 0 => 0,
            _ => continue,
        };
        let inner = rest.get(sign..).and_then(|rest| rest.strip_prefix(scope));
        if let Some(inner) = inner.filter(|inner| inner.starts_with('/')) {
            let head = name.get(..at + sign).unwrap_or_default();
            return format!("{head}{}", inner.trim_start_matches('/')).into();
        }
    }
    name.into()
}

/// A name of a node, a tensor or an input within a scope; the empty scope changes nothing.
///
/// Text of several lines gets the scope where TensorFlow puts it: at its start, and behind the first
/// `^` or `loc:@` of each further line. This is `prepend_name_scope` of TensorFlow.
pub fn prepend_name_scope(name: &str, scope: &str) -> String {
    if scope.is_empty() {
        return name.to_owned();
    }
    let scope = scope.strip_suffix('/').unwrap_or(scope);
    let mut scoped = String::with_capacity(name.len() + scope.len() + 1);
    for (idx, line) in name.split('\n').enumerate() {
        if idx > 0 {
            scoped.push('\n');
        }
        let at = if idx == 0 { Some(sign_len(line)) } else { sign_end(line) };
        match at.and_then(|at| line.split_at_checked(at)) {
            Some((head, rest)) => scoped.extend([head, scope, "/", rest]),
            None => scoped.push_str(line),
        }
    }
    scoped
}

/// The length of the sign that a name begins with.
fn sign_len(name: &str) -> usize {
    ["^", "loc:@"].into_iter().find(|sign| name.starts_with(sign)).map_or(0, str::len)
}

/// Where the first sign of a line ends.
fn sign_end(line: &str) -> Option<usize> {
    let ends = ["^", "loc:@"].map(|sign| line.find(sign).map(|at| (at, at + sign.len())));
    ends.into_iter().flatten().min().map(|(_, end)| end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_taken_from_names_of_every_form() {
        // As ops.strip_name_scope of TensorFlow gives them.
        for (name, scope, stripped) in [
            ("s/a", "s", "a"),
            ("s/a", "s/", "a"),
            ("s///a:0", "s", "a:0"),
            ("^s/a", "s", "^a"),
            ("loc:@s/a", "s", "loc:@a"),
            ("sx/a", "s", "sx/a"),
            ("s", "s", "s"),
            ("t/s/a", "s", "t/s/a"),
            ("t^s/a", "s", "t^a"),
            ("s/s/a", "s", "s/a"),
            ("a", "", "a"),
        ] {
            assert_eq!(strip_name_scope(name, scope), stripped, "{name} in {scope}");
        }
    }

    #[test]
    fn a_scope_is_put_before_names_of_every_form() {
        // As ops.prepend_name_scope of TensorFlow gives them.
        for (name, scope, prepended) in [
            ("a", "s", "s/a"),
            ("a:0", "s/", "s/a:0"),
            ("^a", "s", "^s/a"),
            ("loc:@a", "s", "loc:@s/a"),
            ("a^b", "s", "s/a^b"),
            ("", "s", "s/"),
            ("a\nq^b\nloc:@c\nd", "s", "s/a\nq^s/b\nloc:@s/c\nd"),
            ("a", "", "a"),
        ] {
            assert_eq!(prepend_name_scope(name, scope), prepended, "{name:?} in {scope}");
        }
    }
}
