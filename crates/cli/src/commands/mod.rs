//! One module per command.

pub(crate) mod check;
pub(crate) mod run;
pub(crate) mod show;

use flowkeep_saved_model::SavedModel;
use flowkeep_saved_model::constants::SERVING;

use crate::error::Error;

/// The tags of `--tag_set`, trimmed; empty ones are left out.
fn tags_of(tag_set: &str) -> Vec<&str> {
    tag_set.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect()
}

fn no_tags() -> Error {
    Error::invalid("tag_set must contain at least one non-empty item.")
}

/// The tags to load: those of `--tag_set`, else the only sensible choice, which is the only
/// MetaGraph or the one tagged `serve`.
///
/// Errors: an empty `--tag_set`; `NOT_FOUND`, listing the tag sets, when there is a choice.
fn choose_tags(model: &SavedModel, tag_set: Option<&str>) -> Result<Vec<String>, Error> {
    let owned = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
    match (tag_set, &model.tag_sets()[..]) {
        (Some(tag_set), _) => match tags_of(tag_set) {
            tags if tags.is_empty() => Err(no_tags()),
            tags => Ok(owned(&tags)),
        },
        (None, [only]) => Ok(only.to_vec()),
        (None, _) => {
            model.find(&[SERVING])?;
            Ok(owned(&[SERVING]))
        }
    }
}
