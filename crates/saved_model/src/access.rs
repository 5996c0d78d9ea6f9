//! Which files a model gets at.

use std::path::Path;

use flowkeep_runtime::Registry;
use flowkeep_runtime::kernel::FileAccess;

/// Lets a model read the files of its own directory, and others as far as `registry` allows already.
///
/// A model is a program of somebody else: what nobody allowed is denied.
pub(crate) fn confine(registry: &mut Registry, dir: &Path) {
    let access = registry.setting::<FileAccess>().cloned();
    registry.set(access.unwrap_or_else(FileAccess::none).with_read(dir));
}
