use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::invalid;
use crate::Error;
use crate::constants::EXTRA_ASSETS_DIRECTORY;

/// A numbered directory that is to be; servers take the one of the largest number.
pub(super) struct Version {
    dir: PathBuf,
    temporary: PathBuf,
    is_published: bool,
}

impl Version {
    /// The directory of this number, or of the next one that is free; by default of the seconds since
    /// 1970.
    pub(super) fn new(base: &Path, timestamp: Option<u64>) -> Result<Version, Error> {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let first = timestamp.unwrap_or_else(now);
        let names = (first..).map(|number| {
            let [dir, temporary] = [number.to_string(), format!("temp-{number}")];
            (base.join(dir), base.join(temporary))
        });
        let mut free = names.filter(|(dir, temporary)| !dir.exists() && !temporary.exists());
        let (dir, temporary) = free.next().ok_or_else(|| {
            invalid(format!("{} has no free number from {first} on", base.display()))
        })?;
        Ok(Version { dir, temporary, is_published: false })
    }

    /// Where the files are put at first.
    pub(super) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Copies files to their places below `assets.extra`.
    pub(super) fn copy_extra(&self, files: &BTreeMap<String, PathBuf>) -> Result<(), Error> {
        for (to, from) in files {
            let is_name = |part| matches!(part, Component::Normal(_));
            if to.is_empty() || !Path::new(to).components().all(is_name) {
                return Err(invalid(format!("'{to}' is no place below {EXTRA_ASSETS_DIRECTORY}")));
            }
            let place = self.temporary.join(EXTRA_ASSETS_DIRECTORY).join(to);
            let copied = || {
                fs::create_dir_all(place.parent().unwrap_or(&place))?;
                fs::copy(from, &place)
            };
            copied().map_err(|source| Error::write(&place, source))?;
        }
        Ok(())
    }

    /// Gives the directory its number.
    pub(super) fn publish(mut self) -> Result<PathBuf, Error> {
        fs::rename(&self.temporary, &self.dir).map_err(|source| Error::write(&self.dir, source))?;
        self.is_published = true;
        Ok(self.dir.clone())
    }
}

impl Drop for Version {
    /// What was not finished is taken away.
    fn drop(&mut self) {
        if !self.is_published {
            // Nobody is left to be told.
            let _ = fs::remove_dir_all(&self.temporary);
        }
    }
}
