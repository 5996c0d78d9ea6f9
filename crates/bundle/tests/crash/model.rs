//! A file system that can fail at any step, and lose what was not synced.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use flowkeep_bundle::storage::{Storage, StorageFile};

/// The files that somebody finds.
pub(crate) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What happens at the step that is to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The step reports an error, as of a full disk; the next ones work.
    Error,
    /// The step and all later ones do nothing: the process, or the machine, is gone.
    Crash,
}

/// The file system; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    /// The names as everybody sees them, and as they are on the medium.
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// What is not on the medium yet, in order.
    pending: Vec<NameChange>,
    n_steps: usize,
    fault: Option<(usize, Fault)>,
    is_gone: bool,
}

#[derive(Debug, Default)]
struct Inode {
    content: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Add(PathBuf, usize),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            NameChange::Add(path, inode) => _ = names.insert(path.clone(), *inode),
            NameChange::Remove(path) => _ = names.remove(path),
            NameChange::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }
}

impl Model {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Counts steps from now on, and lets one fail.
    pub(crate) fn arm(&self, fault: Option<(usize, Fault)>) {
        let mut state = self.state();
        (state.n_steps, state.fault) = (0, fault);
    }

    /// The steps since it was armed.
    pub(crate) fn n_steps(&self) -> usize {
        self.state().n_steps
    }

    /// Brings everything to the medium.
    pub(crate) fn sync_all(&self) {
        let mut state = self.state();
        state.durable_names = state.names.clone();
        state.pending.clear();
        state.inodes.iter_mut().for_each(|inode| inode.durable = inode.content.clone());
    }

    /// What another process finds now.
    pub(crate) fn visible(&self) -> Files {
        let state = self.state();
        let content = |inode: usize| state.inodes[inode].content.clone();
        state.names.iter().map(|(path, inode)| (path.clone(), content(*inode))).collect()
    }

    /// Everything that may be found after a loss of power: any part of what is not synced may have
    /// reached the medium, of contents all, half or nothing.
    pub(crate) fn after_power_loss(&self) -> Vec<Files> {
        let state = self.state();
        let changes = &state.pending;
        assert!(changes.len() < 12, "{} changes are pending", changes.len());
        let mut outcomes = Vec::new();
        for subset in 0..1usize << changes.len() {
            let mut names = state.durable_names.clone();
            let kept = changes.iter().enumerate().filter(|(idx, _)| subset >> idx & 1 == 1);
            kept.for_each(|(_, change)| change.apply(&mut names));
            for content in [contents_of, half_of, durable_of] {
                let files = names.iter();
                let files =
                    files.map(|(path, inode)| (path.clone(), content(&state.inodes[*inode])));
                outcomes.push(files.collect());
            }
        }
        outcomes
    }
}

fn contents_of(inode: &Inode) -> Vec<u8> {
    inode.content.clone()
}

fn half_of(inode: &Inode) -> Vec<u8> {
    if inode.content == inode.durable {
        return inode.content.clone();
    }
    inode.content[..inode.content.len() / 2].to_vec()
}

fn durable_of(inode: &Inode) -> Vec<u8> {
    inode.durable.clone()
}

impl State {
    /// Every change passes through here.
    fn step(&mut self) -> io::Result<()> {
        if self.is_gone {
            return Err(io::Error::other("the process is gone"));
        }
        self.n_steps += 1;
        match self.fault {
            Some((step, fault)) if step == self.n_steps => {
                self.is_gone = fault == Fault::Crash;
                Err(io::Error::new(io::ErrorKind::StorageFull, "no space left"))
            }
            _ => Ok(()),
        }
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Storage for Model {
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let mut state = self.state();
        state.step()?;
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.change(NameChange::Add(path.into(), inode));
        Ok(Box::new(ModelFile { model: self.clone(), inode }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let inode = state.find(from)?;
        if state.find(to).is_ok_and(|other| other == inode) {
            return Ok(());
        }
        state.change(NameChange::Rename(from.into(), to.into()));
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let inode = state.find(from)?;
        state.change(NameChange::Add(to.into(), inode));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.find(path)?;
        state.change(NameChange::Remove(path.into()));
        Ok(())
    }

    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.durable_names = state.names.clone();
        state.pending.clear();
        Ok(())
    }

    fn list(&self, dir: &Path, prefix: &OsStr) -> io::Result<Vec<PathBuf>> {
        let begins = |path: &&PathBuf| {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            path.parent() == Some(dir) && name.starts_with(prefix.as_encoded_bytes())
        };
        Ok(self.state().names.keys().filter(begins).cloned().collect())
    }

    fn canonical_dir(&self, dir: &Path) -> io::Result<PathBuf> {
        Ok(dir.into())
    }

    fn read(&self, path: &Path) -> io::Result<Bytes> {
        let state = self.state();
        Ok(state.inodes[state.find(path)?].content.clone().into())
    }

    fn lock_dir(&self, _: &Path) -> io::Result<Option<Box<dyn Send>>> {
        Ok(None)
    }

    fn remove_abandoned(&self, path: &Path) -> io::Result<()> {
        self.remove(path)
    }
}

struct ModelFile {
    model: Model,
    inode: usize,
}

impl StorageFile for ModelFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.model.state();
        state.step()?;
        let content = &mut state.inodes[self.inode].content;
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        content.resize(content.len().max(end), 0);
        content[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.model.state();
        state.step()?;
        state.inodes[self.inode].content.resize(len as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.model.state();
        state.step()?;
        let inode = &mut state.inodes[self.inode];
        inode.durable = inode.content.clone();
        Ok(())
    }
}
