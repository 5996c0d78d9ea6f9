use std::collections::HashMap;
use std::sync::Arc;

use flowkeep_proto::pb;

use crate::op_def::{self, OpDef};
use crate::{Error, Function};

/// The functions of a graph, and ops that are defined for it.
///
/// Bodies are looked at when they are instantiated, so that a function that nothing calls costs
/// nothing and may be broken.
#[derive(Clone, Debug, Default)]
pub struct Library {
    functions: Vec<Arc<Function>>,
    by_name: HashMap<Arc<str>, usize>,
    gradients: Vec<pb::GradientDef>,
    registered_gradients: Vec<pb::RegisteredGradient>,
    ops: Vec<Arc<OpDef>>,
}

impl Library {
    /// The library of a message.
    ///
    /// Errors: `INVALID_ARGUMENT` when two different functions, or a function and an op, share a name.
    pub fn from_proto(proto: pb::FunctionDefLibrary) -> Result<Library, Error> {
        let mut library = Library {
            functions: Vec::with_capacity(proto.function.len()),
            by_name: HashMap::with_capacity(proto.function.len()),
            ..Default::default()
        };
        library.merge(proto)?;
        Ok(library)
    }

    /// Adds all of another library; what is there already is not added again.
    ///
    /// Errors: `INVALID_ARGUMENT` when two different functions, or a function and an op, share a name,
    /// and when a function would have two gradients. The library is then partly merged.
    pub fn merge(&mut self, proto: pb::FunctionDefLibrary) -> Result<(), Error> {
        for def in proto.function {
            self.add(Function::new(def))?;
        }
        for gradient in proto.gradient {
            match self.gradient(&gradient.function_name) {
                None => self.gradients.push(gradient),
                Some(present) if *present == gradient.gradient_func => {}
                Some(present) => {
                    return Err(Error::DuplicateGradient {
                        present: present.to_owned(),
                        function: gradient.function_name,
                        gradient: gradient.gradient_func,
                    });
                }
            }
        }
        for registered in proto.registered_gradients {
            if !self.registered_gradients.contains(&registered) {
                self.registered_gradients.push(registered);
            }
        }
        Ok(())
    }

    /// The library in the form of a message.
    pub fn to_proto(&self) -> pb::FunctionDefLibrary {
        pb::FunctionDefLibrary {
            function: self.functions.iter().map(|function| function.def().into_owned()).collect(),
            gradient: self.gradients.clone(),
            registered_gradients: self.registered_gradients.clone(),
        }
    }

    /// Adds a function; nothing happens when it is there already.
    ///
    /// Errors: `INVALID_ARGUMENT` when another function, or an op, has its name.
    pub fn add(&mut self, function: Function) -> Result<(), Error> {
        let name = function.shared_name();
        if let Some(present) = self.get(name) {
            if present.is_same(&function) {
                return Ok(());
            }
            return Err(Error::DuplicateFunction(name.to_string()));
        }
        if op_def::is_known(name) || self.op(name).is_some() {
            return Err(Error::Function {
                function: name.to_string(),
                message: format!(
                    "Cannot add function '{name}' because an op with the same name already exists."
                ),
            });
        }
        self.by_name.insert(name.clone(), self.functions.len());
        self.functions.push(Arc::new(function));
        Ok(())
    }

    /// Defines an op that TensorFlow does not have; nothing happens when it is defined so already.
    ///
    /// The definition is not part of the message.
    ///
    /// Errors: `INVALID_ARGUMENT` when the name is that of a function, or of an op that is defined in
    /// another way.
    pub fn define(&mut self, op: Arc<OpDef>) -> Result<(), Error> {
        let name = &op.name;
        match op_def::lookup(name).or_else(|| self.op(name)) {
            Some(present) if *present == *op => return Ok(()),
            None if self.get(name).is_none() => {}
            _ => return Err(Error::DuplicateOp(name.to_string())),
        }
        self.ops.push(op);
        Ok(())
    }

    /// The definition of an op that TensorFlow does not have.
    pub fn op(&self, name: &str) -> Option<&OpDef> {
        self.ops.iter().find(|op| *op.name == *name).map(|op| &**op)
    }

    /// The function of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<Function>> {
        self.by_name.get(name).and_then(|idx| self.functions.get(*idx))
    }

    /// Puts a function in the place of the one that has its name, or adds it.
    ///
    /// Errors: `INVALID_ARGUMENT` when an op has its name.
    pub fn replace(&mut self, function: Function) -> Result<(), Error> {
        let place = self.by_name.get(function.name()).and_then(|idx| self.functions.get_mut(*idx));
        match place {
            Some(place) => {
                *place = Arc::new(function);
                Ok(())
            }
            None => self.add(function),
        }
    }

    /// Removes the functions for which `keep` says no, and what is said of their gradients.
    pub fn retain(&mut self, mut keep: impl FnMut(&Function) -> bool) {
        self.functions.retain(|function| keep(function));
        let places = self.functions.iter().enumerate();
        self.by_name =
            places.map(|(idx, function)| (function.shared_name().clone(), idx)).collect();
        self.gradients.retain(|gradient| self.by_name.contains_key(&*gradient.function_name));
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
            && self.gradients.is_empty()
            && self.registered_gradients.is_empty()
    }

    /// All functions, in stored order.
    pub fn functions(&self) -> &[Arc<Function>] {
        &self.functions
    }

    /// The name of the function that computes the gradient of the function `name`.
    pub fn gradient(&self, name: &str) -> Option<&str> {
        self.gradients
            .iter()
            .find(|def| def.function_name == name)
            .map(|def| def.gradient_func.as_str())
    }
}
