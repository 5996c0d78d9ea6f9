//! One module per command.

pub(crate) mod check;
pub(crate) mod run;
pub(crate) mod show;

use crate::error::Error;

/// The tags of `--tag_set`, trimmed; empty ones are left out.
fn tags_of(tag_set: &str) -> Vec<&str> {
    tag_set.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect()
}

fn no_tags() -> Error {
    Error::invalid("tag_set must contain at least one non-empty item.")
}
