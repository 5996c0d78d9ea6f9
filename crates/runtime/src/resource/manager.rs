use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowkeep_tensor::Recycler;

use crate::kernel::Status;

/// State that a session keeps between runs.
pub trait Resource: Any + Send + Sync + fmt::Debug {
    /// The kind of resource; names are unique within a container and a kind.
    fn kind(&self) -> &'static str;
}

/// A reference to a resource: what an edge of type `DT_RESOURCE` carries.
#[derive(Clone)]
pub struct ResourceHandle {
    container: Arc<str>,
    name: Arc<str>,
    resource: Arc<dyn Resource>,
}

impl ResourceHandle {
    /// A handle to a resource that nobody can look up by name.
    pub fn private(name: impl Into<Arc<str>>, resource: Arc<dyn Resource>) -> ResourceHandle {
        ResourceHandle {
            container: ResourceManager::DEFAULT_CONTAINER.into(),
            name: name.into(),
            resource,
        }
    }

    /// The container that the resource lives in.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// The resource's name within its container.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The resource as a `T`.
    ///
    /// Errors: `INVALID_ARGUMENT` if it is of another kind.
    pub fn get<T: Resource>(&self) -> Result<Arc<T>, Status> {
        let any: Arc<dyn Any + Send + Sync> = self.resource.clone();
        any.downcast::<T>().map_err(|_| {
            Status::invalid_argument(format!(
                "resource {}/{} is a {}, which this op does not take",
                self.container,
                self.name,
                self.resource.kind()
            ))
        })
    }
}

impl fmt::Debug for ResourceHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceHandle({}/{}, {})", self.container, self.name, self.resource.kind())
    }
}

/// The named resources of one session, freed with it.
#[derive(Default)]
pub struct ResourceManager {
    resources: Mutex<HashMap<ResourceKey, ResourceHandle>>,
    recycler: Arc<Recycler>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct ResourceKey {
    container: String,
    kind: &'static str,
    name: String,
}

impl ResourceManager {
    /// The container of resources that name none.
    pub const DEFAULT_CONTAINER: &'static str = "localhost";

    /// What keeps the memory of the session's tensors for the next ones.
    pub(crate) fn recycler(&self) -> &Arc<Recycler> {
        &self.recycler
    }

    /// The resource of this container, kind and name, made by `make` when there is none yet.
    ///
    /// An empty container stands for [`ResourceManager::DEFAULT_CONTAINER`].
    pub fn lookup_or_create(
        &self,
        container: &str,
        kind: &'static str,
        name: &str,
        make: impl FnOnce() -> Arc<dyn Resource>,
    ) -> ResourceHandle {
        let container = if container.is_empty() { Self::DEFAULT_CONTAINER } else { container };
        let key = ResourceKey { container: container.to_owned(), kind, name: name.to_owned() };
        self.lock()
            .entry(key)
            .or_insert_with(|| ResourceHandle {
                container: container.into(),
                name: name.into(),
                resource: make(),
            })
            .clone()
    }

    /// The resource of this container, kind and name, if there is one.
    ///
    /// An empty container stands for [`ResourceManager::DEFAULT_CONTAINER`].
    pub fn lookup(
        &self,
        container: &str,
        kind: &'static str,
        name: &str,
    ) -> Option<ResourceHandle> {
        let container = if container.is_empty() { Self::DEFAULT_CONTAINER } else { container };
        let key = ResourceKey { container: container.to_owned(), kind, name: name.to_owned() };
        self.lock().get(&key).cloned()
    }

    /// Forgets a resource; handles that are still held keep it alive.
    ///
    /// Returns whether it was there.
    pub fn remove(&self, handle: &ResourceHandle) -> bool {
        let key = ResourceKey {
            container: handle.container.to_string(),
            kind: handle.resource.kind(),
            name: handle.name.to_string(),
        };
        self.lock().remove(&key).is_some()
    }

    /// The number of named resources.
    pub fn n_resources(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ResourceKey, ResourceHandle>> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ResourceManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceManager({} resources)", self.n_resources())
    }
}
