use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

/// Values that kernels are built with, one of each type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl Settings {
    pub(crate) fn set<T: Any + Send + Sync>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(value));
    }

    pub(crate) fn get<T: Any>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}
