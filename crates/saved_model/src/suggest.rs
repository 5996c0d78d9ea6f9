//! Which of the names at hand a mistyped one was probably meant to be.

use flowkeep_graph::edit_distance;

/// The name nearest to `wrong`, if one is near enough to be meant.
pub(crate) fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let limit = (wrong.chars().count() / 3).max(1);
    names
        .into_iter()
        .filter_map(|name| Some((edit_distance(wrong.as_bytes(), name.as_bytes(), limit)?, name)))
        .min()
        .map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["input_x", "keep_prob"];
        assert_eq!(nearest("inputx", names), Some("input_x".into()));
        assert_eq!(nearest("KEEP_PROB", names), Some("keep_prob".into()));
        assert_eq!(nearest("images", names), None);
    }
}
