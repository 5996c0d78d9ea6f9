use std::collections::BTreeMap;
use std::sync::Arc;

use flowkeep_runtime::Value;
use flowkeep_tensor::{Code, Tensor};

use super::LoadedObjects;
use super::calls::Call;
use crate::Error;
use crate::function::{BareConcreteFunction, ConcreteFunction, find_trace};
use crate::objects::ObjectKind;
use crate::structured::{StructuredValue, pack};

impl LoadedObjects {
    /// Calls the function that a path leads to, or the `__call__` of the object there.
    ///
    /// The arguments are bound as Python binds them, with the defaults of the function; the first trace
    /// that takes them is run. Objects that are traces themselves, such as signatures, take tensors.
    ///
    /// Errors: `NOT_FOUND` for the path; `INVALID_ARGUMENT` for an object that cannot be called, and,
    /// with TensorFlow's text, for arguments that no trace takes; those of the nodes that run.
    pub fn call(
        &self,
        path: &str,
        args: &[StructuredValue],
        kwargs: &[(&str, StructuredValue)],
    ) -> Result<StructuredValue, Error> {
        let mut id = self.find(path)?;
        // `__call__` may be an object with a `__call__`: there are no more of them than objects.
        for _ in self.objects.objects() {
            let Some(object) = self.objects.object(id) else { break };
            match &object.kind {
                ObjectKind::Function { concrete_functions, spec } => {
                    let traces: Vec<&ConcreteFunction> = concrete_functions
                        .iter()
                        .filter_map(|name| self.objects.concrete_functions().get(name))
                        .map(|function| &**function)
                        .collect();
                    let (trace, tensors) = find_trace(spec, &traces, args, &by_name(kwargs))?;
                    return self.run_trace(&trace.name, tensors);
                }
                ObjectKind::BareConcreteFunction(function) => {
                    let tensors = self.flat_arguments(function, args, &by_name(kwargs))?;
                    return self.run_trace(&function.concrete_function, tensors);
                }
                _ => match object.child("__call__") {
                    Some(callable) => id = callable,
                    None => break,
                },
            }
        }
        Err(self.is_no("function", id, path))
    }

    /// Calls a signature with tensors by their names; gives its outputs by theirs.
    ///
    /// Errors: `NOT_FOUND` for the key, listing those that are there; `INVALID_ARGUMENT` for names and
    /// types that are not the signature's; those of the nodes that run.
    pub fn call_signature(
        &self,
        key: &str,
        inputs: &[(&str, Tensor)],
    ) -> Result<BTreeMap<String, Tensor>, Error> {
        let signatures = self.objects.signatures();
        let found = signatures.get(key).and_then(|id| self.objects.object(*id));
        let Some(ObjectKind::BareConcreteFunction(function)) = found.map(|object| &object.kind)
        else {
            let present: Vec<String> = signatures.into_keys().map(str::to_owned).collect();
            return Err(Error::no_such_signature(key, &present));
        };
        let kwargs =
            inputs.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone().into()));
        let tensors = self.flat_arguments(function, &[], &kwargs.collect())?;
        let outputs = self.run_trace(&function.concrete_function, tensors)?;
        let StructuredValue::Dict(outputs) = outputs else {
            let message = format!("signature \"{key}\" gives no dict of tensors");
            return Err(Error::Model { code: Code::DataLoss, message });
        };
        let tensors = outputs.into_iter().filter_map(|(name, value)| match value {
            StructuredValue::Tensor(tensor) => Some((name, tensor)),
            _ => None,
        });
        Ok(tensors.collect())
    }

    /// Calls a trace by its name in the library, or by its alias, with structured arguments.
    ///
    /// Errors: `NOT_FOUND` for the name; `INVALID_ARGUMENT` for arguments that it does not take; those of
    /// the nodes that run.
    pub fn call_concrete(
        &self,
        name: &str,
        args: &[StructuredValue],
        kwargs: &[(&str, StructuredValue)],
    ) -> Result<StructuredValue, Error> {
        let aliased = self.info.function_aliases.iter().find(|(_, alias)| *alias == name);
        let name = aliased.map_or(name, |(name, _)| name);
        let call = self.trace(name)?;
        let Some((positional, _)) = call.function.arguments() else {
            let message = format!("function '{name}' does not say what it takes");
            return Err(Error::Model { code: Code::InvalidArgument, message });
        };
        let spec = crate::FunctionSpec {
            args: (0..positional.len()).map(|idx| format!("arg_{idx}")).collect(),
            varkw: Some("kwargs".to_owned()),
            ..crate::FunctionSpec::default()
        };
        let (_, tensors) = find_trace(&spec, &[&*call.function], args, &by_name(kwargs))?;
        self.run_trace(name, tensors)
    }

    /// The tensors of a call by names, in the order in which the trace takes them.
    fn flat_arguments(
        &self,
        function: &BareConcreteFunction,
        args: &[StructuredValue],
        kwargs: &BTreeMap<String, StructuredValue>,
    ) -> Result<Vec<Tensor>, Error> {
        let name = &function.concrete_function;
        let call = self.trace(name)?;
        let keywords = &function.argument_keywords;
        let refuse = |what: String| {
            let message = format!("{name}({}) {what}", keywords.join(", "));
            Err(Error::Model { code: Code::InvalidArgument, message })
        };
        // A trace that does not name its arguments takes them by position.
        let n_positional = match keywords.len() == call.arg_types.len() {
            true => function.allowed_positional_arguments.max(usize::from(keywords.len() == 1)),
            false => call.arg_types.len(),
        };
        if args.len() > n_positional {
            return refuse(format!(
                "takes {n_positional} positional arguments, got {}",
                args.len()
            ));
        }
        if let Some(unknown) = kwargs.keys().find(|key| !keywords.contains(key)) {
            return refuse(format!("got unexpected keyword arguments: {unknown}."));
        }
        let is_missing = |idx: &usize| {
            keywords
                .get(*idx)
                .is_some_and(|name| args.get(*idx).is_none() && !kwargs.contains_key(name))
        };
        let missing: std::collections::BTreeSet<&str> = (0..keywords.len())
            .filter(is_missing)
            .filter_map(|idx| keywords.get(idx).map(String::as_str))
            .collect();
        if !missing.is_empty() {
            let missing: Vec<&str> = missing.into_iter().collect();
            return refuse(format!("missing required arguments: {}.", missing.join(", ")));
        }
        let mut tensors = Vec::with_capacity(call.arg_types.len());
        for (idx, dtype) in call.arg_types.iter().enumerate() {
            let keyword = keywords.get(idx).map_or("", String::as_str);
            let value = match (args.get(idx), kwargs.get(keyword)) {
                (Some(_), Some(_)) => {
                    return refuse(format!("got two values for '{keyword}'."));
                }
                (Some(value), None) | (None, Some(value)) => value,
                (None, None) => {
                    return refuse(format!("missing required arguments: {keyword}."));
                }
            };
            match crate::structured::convert_to_tensor(value, *dtype) {
                Some(tensor) => tensors.push(tensor),
                None => return refuse(format!("got no tensor for '{keyword}': {value}")),
            }
        }
        Ok(tensors)
    }

    pub(super) fn trace(&self, name: &str) -> Result<&Arc<Call>, Error> {
        self.calls.get(name).ok_or_else(|| Error::Model {
            code: Code::NotFound,
            message: format!("the model has no function '{name}'"),
        })
    }

    /// Runs a trace and gives its outputs in their structure.
    pub(super) fn run_trace(
        &self,
        name: &str,
        tensors: Vec<Tensor>,
    ) -> Result<StructuredValue, Error> {
        let call = self.trace(name)?;
        let mut outputs = self.run_call(call, tensors)?.into_iter();
        pack(&call.function.output_signature, &mut || match outputs.next() {
            Some(Value::Host(tensor)) => Ok(tensor),
            value => {
                let kind = value.map_or("missing", |value| value.dtype().name());
                let message =
                    format!("an output of function '{name}' is {kind}, which is no tensor");
                Err(Error::Model { code: Code::Unimplemented, message })
            }
        })
    }

    /// Runs the trace that an object is, or the only one that it has; gives all its outputs.
    pub(super) fn call_flat_object(
        &self,
        id: usize,
        tensors: Vec<Tensor>,
    ) -> Result<Vec<Value>, Error> {
        let kind = self.objects.object(id).map(|object| &object.kind);
        let name = match kind {
            Some(ObjectKind::BareConcreteFunction(function)) => Some(&function.concrete_function),
            Some(ObjectKind::Function { concrete_functions, .. }) => concrete_functions.first(),
            _ => None,
        };
        let name = name.ok_or_else(|| Error::Model {
            code: Code::DataLoss,
            message: format!("object graph: node {id} is no function"),
        })?;
        self.run_call(self.trace(name)?, tensors)
    }

    fn run_call(&self, call: &Call, tensors: Vec<Tensor>) -> Result<Vec<Value>, Error> {
        let name = &call.function.name;
        if tensors.len() != call.arg_types.len() {
            let (expected, got) = (call.arg_types.len(), tensors.len());
            let message = format!("function '{name}' takes {expected} tensors, got {got}");
            return Err(Error::Model { code: Code::InvalidArgument, message });
        }
        for (idx, (tensor, dtype)) in tensors.iter().zip(&call.arg_types).enumerate() {
            if tensor.dtype() != *dtype {
                let (expected, got) = (dtype.name(), tensor.dtype().name());
                let message = format!(
                    "cannot compute {name} as input #{idx}(zero-based) was expected to be a {expected} tensor but is \
                     a {got} tensor"
                );
                return Err(Error::Model { code: Code::InvalidArgument, message });
            }
        }
        let mut feeds: Vec<Value> = tensors.into_iter().map(Value::Host).collect();
        for id in &call.captures {
            let value = self.values.get(*id).and_then(Option::as_ref).ok_or_else(|| {
                if let Some(missing) = self.missing.get(id) {
                    let message = missing.clone();
                    return Error::Model { code: Code::Unimplemented, message };
                }
                let path = self.objects.path(*id).unwrap_or_else(|| format!("node {id}"));
                let message = format!("function '{name}' captures {path}, which was not loaded");
                Error::Model { code: Code::FailedPrecondition, message }
            })?;
            feeds.push(value.clone());
        }
        Ok(self.session().callable(&call.key)?.run_values(feeds)?)
    }
}

fn by_name(kwargs: &[(&str, StructuredValue)]) -> BTreeMap<String, StructuredValue> {
    kwargs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}
