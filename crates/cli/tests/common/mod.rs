//! What tests of the built command share.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What a run of the command left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs `flowkeep` in the folder of the fixture models.
pub(crate) fn flowkeep(args: &[&str]) -> Run {
    flowkeep_in(&models(), args)
}

/// Runs `flowkeep` in a folder.
pub(crate) fn flowkeep_in(folder: &Path, args: &[&str]) -> Run {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_flowkeep"))
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    Run {
        status: status.code().unwrap_or(-1),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

pub(crate) fn models() -> PathBuf {
    fixtures().join("saved_models")
}
