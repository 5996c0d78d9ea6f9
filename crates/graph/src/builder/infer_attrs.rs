//! Attributes that follow from inputs: types, and lengths of lists.
//!
//! Sentences are those of TensorFlow's `op_def_library`.

use flowkeep_tensor::DType;

use super::{Operand, Scope};
use crate::op_def::{ArgDef, ArgType, OpDef};
use crate::{Attr, AttrList, AttrsBuilder, Error, Output, PortType};

/// What an argument of an op is fed with.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    One(Operand),
    List(Vec<Operand>),
}

/// Turns arguments into tensors and sets the attributes that they determine.
///
/// Errors: `INVALID_ARGUMENT` when their number or types are not what the op wants, or what attributes
/// say that are set already.
pub(super) fn infer(
    scope: &mut Scope,
    def: &OpDef,
    arguments: Vec<Argument>,
    attrs: &mut AttrsBuilder,
) -> Result<Vec<Output>, Error> {
    let mut inference = Inference { scope, def, attrs, origins: Vec::new() };
    if arguments.len() != def.inputs.len() {
        let n = arguments.len();
        let message = match def.inputs.get(n) {
            Some(arg) => format!("No argument for input {} found in {}", arg.name, def.name),
            None => format!("{} takes {} arguments, but {n} are given", def.name, def.inputs.len()),
        };
        return Err(inference.error(message));
    }
    let mut inputs = Vec::new();
    for (arg, argument) in def.inputs.iter().zip(arguments) {
        inputs.extend(inference.argument(arg, argument)?);
    }
    inference.check_attrs()?;
    Ok(inputs)
}

struct Inference<'a> {
    scope: &'a mut Scope,
    def: &'a OpDef,
    attrs: &'a mut AttrsBuilder,
    /// Attributes that were inferred, and the arguments that they were inferred from.
    origins: Vec<(&'a str, &'a str)>,
}

impl<'a> Inference<'a> {
    fn argument(&mut self, arg: &'a ArgDef, argument: Argument) -> Result<Vec<Output>, Error> {
        let op = &self.def.name;
        let tensors = match (argument, arg.is_list()) {
            (Argument::One(operand), false) => {
                vec![self.tensor(arg, operand, &arg.name)?]
            }
            (Argument::List(operands), true) => {
                let mut tensors = Vec::with_capacity(operands.len());
                for (idx, operand) in operands.into_iter().enumerate() {
                    tensors.push(self.tensor(arg, operand, &format!("{}_{idx}", arg.name))?);
                }
                tensors
            }
            (Argument::One(_), true) => {
                let what = format!(
                    "Expected list for '{}' argument to '{op}' Op, not a tensor.",
                    arg.name
                );
                return Err(self.error(what));
            }
            (Argument::List(_), false) => {
                let what = format!(
                    "Expected a tensor for '{}' argument to '{op}' Op, not a list.",
                    arg.name
                );
                return Err(self.error(what));
            }
        };
        let Some(ports) =
            tensors.iter().map(|tensor| self.port(*tensor)).collect::<Option<Vec<_>>>()
        else {
            // Of unknown ops nothing is known but that the tensors exist, which is checked later.
            return Ok(tensors);
        };
        self.check_types(arg, &ports)?;
        if arg.is_ref && ports.iter().any(|port| !port.is_ref) {
            return Err(self.error(format!(
                "'{op}' Op requires that input '{}' be a mutable tensor (e.g.: a tf.Variable)",
                arg.name
            )));
        }
        Ok(tensors)
    }

    /// The tensor of an operand: a variable's reference where one is wanted.
    fn tensor(&mut self, arg: &ArgDef, operand: Operand, name: &str) -> Result<Output, Error> {
        match operand {
            Operand::Variable(variable) if arg.is_ref && !variable.is_resource() => {
                Ok(variable.handle())
            }
            operand => self.scope.tensor(operand, name),
        }
    }

    fn port(&self, tensor: Output) -> Option<PortType> {
        let types = self.scope.graph.get(tensor.node)?.output_types()?;
        types.get(usize::try_from(tensor.index).ok()?).copied()
    }

    fn check_types(&mut self, arg: &'a ArgDef, ports: &[PortType]) -> Result<(), Error> {
        if let Some(number_attr) = &arg.number_attr {
            if let [first, others @ ..] = ports
                && others.iter().any(|port| port.dtype != first.dtype)
            {
                self.check_one_type(arg, ports)?;
            }
            self.check_number(arg, number_attr, ports.len())?;
        }
        match &arg.ty {
            ArgType::Fixed(dtype) => self.check_fixed(arg, *dtype, ports),
            ArgType::TypeAttr(attr) => self.infer_type(arg, attr, ports),
            ArgType::TypeListAttr(attr) => self.infer_types(arg, attr, ports),
            ArgType::Missing => Ok(()),
        }
    }

    fn check_number(
        &mut self,
        arg: &'a ArgDef,
        number_attr: &'a str,
        n: usize,
    ) -> Result<(), Error> {
        let op = &self.def.name;
        let n_given = i64::try_from(n).unwrap_or(i64::MAX);
        if let Some(Attr::Int(expected)) = self.attrs.get(number_attr) {
            let expected = *expected;
            if expected == n_given {
                return Ok(());
            }
            return Err(self.error(format!(
                "List argument '{}' to '{op}' Op with length {n} must match length {expected} of argument '{}'.",
                arg.name,
                self.origin(number_attr)
            )));
        }
        let minimum = self.def.attr(number_attr).and_then(|attr| attr.minimum).unwrap_or(0);
        if n_given < minimum {
            return Err(self.error(format!(
                "List argument '{}' to '{op}' Op with length {n} shorter than minimum length {minimum}.",
                arg.name
            )));
        }
        self.set(number_attr, Attr::Int(n_given), arg);
        Ok(())
    }

    /// Fails for a list of several types where one is wanted.
    fn check_one_type(&self, arg: &ArgDef, ports: &[PortType]) -> Result<(), Error> {
        match &arg.ty {
            ArgType::Fixed(dtype) => self.check_fixed(arg, *dtype, ports),
            ArgType::TypeAttr(attr) if self.attrs.get(attr).is_none() => {
                Err(self.error(format!("{} that don't all match.", self.in_list(arg, ports))))
            }
            _ => Ok(()),
        }
    }

    fn check_fixed(&self, arg: &ArgDef, dtype: DType, ports: &[PortType]) -> Result<(), Error> {
        if ports.iter().all(|port| port.dtype == dtype) {
            return Ok(());
        }
        let wanted = dtype.python_name();
        Err(self.error(if arg.is_list() {
            format!("{} that do not match expected type {wanted}.", self.in_list(arg, ports))
        } else {
            format!("{} expected type of {wanted}.", self.mismatch(arg, ports))
        }))
    }

    fn infer_type(
        &mut self,
        arg: &'a ArgDef,
        attr: &'a str,
        ports: &[PortType],
    ) -> Result<(), Error> {
        if let Some(Attr::Type(expected)) = self.attrs.get(attr) {
            let expected = *expected;
            if ports.iter().all(|port| port.dtype == expected) {
                return Ok(());
            }
            let wanted = expected.python_name();
            return Err(self.error(if arg.is_list() {
                let which = self.in_list(arg, ports);
                format!("{which} that do not match type {wanted} inferred from earlier arguments.")
            } else {
                let which = self.mismatch(arg, ports);
                format!("{which} type {wanted} of argument '{}'.", self.origin(attr))
            }));
        }
        let Some(first) = ports.first() else {
            let has_default = self.def.attr(attr).is_some_and(|attr| attr.default.is_some());
            return if has_default {
                Ok(())
            } else {
                Err(self.error(format!(
                    "Don't know how to infer type variable from empty input list passed to input '{}' of '{}' Op.",
                    arg.name, self.def.name
                )))
            };
        };
        self.check_allowed(arg, attr, &[first.dtype])?;
        self.set(attr, Attr::Type(first.dtype), arg);
        Ok(())
    }

    fn infer_types(
        &mut self,
        arg: &'a ArgDef,
        attr: &'a str,
        ports: &[PortType],
    ) -> Result<(), Error> {
        let types: Vec<DType> = ports.iter().map(|port| port.dtype).collect();
        if let Some(expected) = self.attrs.get(attr).and_then(Attr::as_types) {
            if expected == types {
                return Ok(());
            }
            let what = format!(
                "Input '{}' of '{}' Op has type list of {} that does not match type list {} of argument '{}'.",
                arg.name,
                self.def.name,
                names(&types),
                names(expected),
                self.origin(attr)
            );
            return Err(self.error(what));
        }
        self.check_allowed(arg, attr, &types)?;
        self.set(attr, Attr::List(AttrList::Type(types.into())), arg);
        Ok(())
    }

    fn check_allowed(&self, arg: &ArgDef, attr: &str, types: &[DType]) -> Result<(), Error> {
        match self.not_allowed(&arg.name, attr, types) {
            None => Ok(()),
            Some(message) => Err(self.error(message)),
        }
    }

    /// What is said of the first type that an attribute may not have.
    fn not_allowed(&self, parameter: &str, attr: &str, types: &[DType]) -> Option<String> {
        let allowed = self.def.attr(attr)?.allowed.as_ref()?.as_types()?;
        let refused = types.iter().find(|dtype| !allowed.contains(dtype))?;
        Some(format!(
            "Value passed to parameter '{parameter}' has DataType {} not in list of allowed values: {}",
            refused.python_name(),
            names(allowed)
        ))
    }

    /// Fails for attributes that are not among the allowed ones, or below the minimum.
    fn check_attrs(&self) -> Result<(), Error> {
        let op = &self.def.name;
        for def in &self.def.attrs {
            let allowed = def.allowed.as_ref();
            let refused = match self.attrs.get(&def.name) {
                Some(Attr::Type(dtype)) => self.not_allowed(&def.name, &def.name, &[*dtype]),
                Some(Attr::Str(value)) => {
                    let allowed = allowed.and_then(Attr::as_strs).unwrap_or_default();
                    let is_allowed = allowed.is_empty() || allowed.contains(value);
                    let quoted = |value: &bytes::Bytes| String::from_utf8_lossy(value).into_owned();
                    (!is_allowed).then(|| {
                        let allowed: Vec<String> = allowed.iter().map(quoted).collect();
                        format!(
                            "Attr '{}' of '{op}' Op passed string '{}' not in: \"{}\".",
                            def.name,
                            quoted(value),
                            allowed.join("\", \"")
                        )
                    })
                }
                Some(Attr::Int(value)) => {
                    def.minimum.filter(|minimum| value < minimum).map(|minimum| {
                        format!(
                            "Attr '{}' of '{op}' Op passed {value} less than minimum {minimum}.",
                            def.name
                        )
                    })
                }
                _ => None,
            };
            if let Some(message) = refused {
                return Err(self.error(message));
            }
        }
        Ok(())
    }

    fn set(&mut self, attr: &'a str, value: Attr, arg: &'a ArgDef) {
        self.attrs.set(attr, value);
        self.origins.push((attr, &arg.name));
    }

    fn origin(&self, attr: &'a str) -> &'a str {
        let origin = self.origins.iter().find(|(name, _)| *name == attr);
        origin.map_or(attr, |(_, arg)| arg)
    }

    fn mismatch(&self, arg: &ArgDef, ports: &[PortType]) -> String {
        let observed = ports.first().map(port_name).unwrap_or_default();
        let op = &self.def.name;
        format!("Input '{}' of '{op}' Op has type {observed} that does not match", arg.name)
    }

    fn in_list(&self, arg: &ArgDef, ports: &[PortType]) -> String {
        let types: Vec<DType> = ports.iter().map(|port| port.dtype).collect();
        format!(
            "Tensors in list passed to '{}' of '{}' Op have types [{}]",
            arg.name,
            self.def.name,
            names(&types)
        )
    }

    fn error(&self, message: String) -> Error {
        Error::Inputs { op: self.def.name.to_string(), message }
    }
}

fn port_name(port: &PortType) -> String {
    format!("{}{}", port.dtype.python_name(), if port.is_ref { "_ref" } else { "" })
}

fn names(types: &[DType]) -> String {
    types.iter().map(|dtype| dtype.python_name()).collect::<Vec<_>>().join(", ")
}
