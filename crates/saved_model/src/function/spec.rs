use std::collections::BTreeMap;

use flowkeep_proto::pb;
use flowkeep_tensor::Code;

use crate::Error;
use crate::structured::{StructuredValue, bad};

/// The arguments of a Python function; `self` of a method is left out.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FunctionSpec {
    /// Arguments that may be passed by position or by name.
    pub args: Vec<String>,
    /// The name of the tuple of further positional arguments, if it takes some.
    pub varargs: Option<String>,
    /// The name of the dict of further arguments by name, if it takes some.
    pub varkw: Option<String>,
    /// Values of the last of `args`, for calls that leave them out.
    pub defaults: Vec<StructuredValue>,
    /// Arguments that are passed by name only.
    pub kwonlyargs: Vec<String>,
    /// Values of these, for calls that leave them out.
    pub kwonlydefaults: BTreeMap<String, StructuredValue>,
    /// The signature that the function was given, or `None`.
    pub input_signature: StructuredValue,
    /// Whether it is to be compiled by XLA, if that was said; it runs the same here.
    pub jit_compile: Option<bool>,
}

/// The arguments of a call in the form in which traces are stored.
#[derive(Clone, Debug)]
pub(crate) struct Canonical {
    pub(crate) positional: Vec<StructuredValue>,
    pub(crate) keyword: BTreeMap<String, StructuredValue>,
    /// The names of the positional arguments.
    pub(crate) names: Vec<String>,
    /// The keys of `keyword`, in the order of the function.
    pub(crate) keys: Vec<String>,
}

impl FunctionSpec {
    pub(crate) fn from_proto(def: &pb::FunctionSpec) -> Result<FunctionSpec, Error> {
        let value = |value: &Option<pb::StructuredValue>| match value {
            Some(value) => StructuredValue::from_proto(value),
            None => Ok(StructuredValue::None),
        };
        let fullargspec = value(&def.fullargspec)?;
        let field = |name: &str| fullargspec.get(name).cloned().unwrap_or_default();
        let names = |name: &str| {
            let names = field(name);
            let names = names.items().unwrap_or_default().into_iter();
            let names = names.map(|name| name.as_str().map(str::to_owned));
            names.collect::<Option<Vec<String>>>().ok_or_else(|| {
                bad(format!("object graph: the {name} of a function are not all names"))
            })
        };
        let mut args = names("args")?;
        if def.is_method || args.first().is_some_and(|name| name == "self") {
            if args.is_empty() {
                let message =
                    "Cannot deserialize a method function without a named 'self' argument.";
                return Err(Error::Model { code: Code::Unimplemented, message: message.into() });
            }
            args.remove(0);
        }
        let defaults = field("defaults");
        let defaults: Vec<StructuredValue> =
            defaults.items().unwrap_or_default().into_iter().cloned().collect();
        if defaults.len() > args.len() {
            return Err(bad("object graph: a function has more defaults than arguments"));
        }
        let jit_compile = match def.jit_compile {
            1 => Some(true),
            2 => Some(false),
            _ => None,
        };
        Ok(FunctionSpec {
            args,
            varargs: field("varargs").as_str().map(str::to_owned),
            varkw: field("varkw").as_str().map(str::to_owned),
            defaults,
            kwonlyargs: names("kwonlyargs")?,
            kwonlydefaults: match field("kwonlydefaults") {
                StructuredValue::Dict(fields) => fields,
                _ => BTreeMap::new(),
            },
            input_signature: value(&def.input_signature)?,
            jit_compile,
        })
    }

    /// The arguments of a call, each in its place, with defaults for those that are left out.
    ///
    /// Errors: `INVALID_ARGUMENT`, with TensorFlow's text, for arguments that are missing, that are too
    /// many, or that the function does not have.
    pub(crate) fn bind(
        &self,
        args: &[StructuredValue],
        kwargs: &BTreeMap<String, StructuredValue>,
    ) -> Result<Canonical, Error> {
        self.try_bind(args, kwargs).map_err(|what| {
            let args = StructuredValue::Tuple(args.to_vec());
            let kwargs = StructuredValue::Dict(kwargs.clone());
            Error::Model {
                code: Code::InvalidArgument,
                message: format!(
                    "Binding inputs to tf.function failed due to `{what}`. Received args: {args} and kwargs: \
                     {kwargs} for signature: {self}."
                ),
            }
        })
    }

    fn try_bind(
        &self,
        args: &[StructuredValue],
        kwargs: &BTreeMap<String, StructuredValue>,
    ) -> Result<Canonical, String> {
        let mut given = kwargs.clone();
        let first_default = self.args.len().saturating_sub(self.defaults.len());
        let mut names = self.args.clone();
        let mut positional = Vec::with_capacity(self.args.len());
        for (idx, name) in self.args.iter().enumerate() {
            let by_name = given.remove(name);
            let default = || self.defaults.get(idx.checked_sub(first_default)?).cloned();
            positional.push(match (args.get(idx), by_name) {
                (Some(_), Some(_)) => return Err(format!("multiple values for argument '{name}'")),
                (Some(value), None) => value.clone(),
                (None, Some(value)) => value,
                (None, None) => {
                    default().ok_or_else(|| format!("missing a required argument: '{name}'"))?
                }
            });
        }
        let rest = args.get(self.args.len()..).unwrap_or_default();
        match &self.varargs {
            Some(name) => {
                names.extend((0..rest.len()).map(|idx| format!("{name}_{idx}")));
                positional.extend_from_slice(rest);
            }
            None if rest.is_empty() => {}
            None => return Err("too many positional arguments".to_owned()),
        }
        let mut keyword = BTreeMap::new();
        let keys = self.kwonlyargs.clone();
        for name in &self.kwonlyargs {
            let value = given.remove(name).or_else(|| self.kwonlydefaults.get(name).cloned());
            let missing = || format!("missing a required keyword-only argument: '{name}'");
            keyword.insert(name.clone(), value.ok_or_else(missing)?);
        }
        let keys = keys.into_iter().chain(given.keys().cloned()).collect();
        match (given.first_key_value(), &self.varkw) {
            (Some((name, _)), None) => {
                return Err(format!("got an unexpected keyword argument '{name}'"));
            }
            _ => keyword.extend(given),
        }
        Ok(Canonical { positional, keyword, names, keys })
    }
}

/// As Python prints a signature: `(x, y=<captured_default_value>, *, scale)`.
impl std::fmt::Display for FunctionSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const DEFAULT: &str = "=<captured_default_value>";
        let first_default = self.args.len().saturating_sub(self.defaults.len());
        let mut parts: Vec<String> = Vec::new();
        for (idx, name) in self.args.iter().enumerate() {
            let default = if idx >= first_default { DEFAULT } else { "" };
            parts.push(format!("{name}{default}"));
        }
        match &self.varargs {
            Some(name) => parts.push(format!("*{name}")),
            None if !self.kwonlyargs.is_empty() => parts.push("*".to_owned()),
            None => {}
        }
        for name in &self.kwonlyargs {
            let default = if self.kwonlydefaults.contains_key(name) { DEFAULT } else { "" };
            parts.push(format!("{name}{default}"));
        }
        parts.extend(self.varkw.iter().map(|name| format!("**{name}")));
        write!(f, "({})", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> FunctionSpec {
        FunctionSpec {
            args: vec!["x".into(), "y".into()],
            defaults: vec![StructuredValue::Int(2)],
            kwonlyargs: vec!["scale".into()],
            kwonlydefaults: [("scale".into(), StructuredValue::Float(1.0))].into(),
            ..FunctionSpec::default()
        }
    }

    fn bound(
        spec: &FunctionSpec,
        args: &[i64],
        kwargs: &[(&str, i64)],
    ) -> Result<(String, String), String> {
        let args: Vec<_> = args.iter().map(|value| StructuredValue::Int(*value)).collect();
        let kwargs =
            kwargs.iter().map(|(key, value)| ((*key).to_owned(), StructuredValue::Int(*value)));
        let bound = spec.try_bind(&args, &kwargs.collect())?;
        let keyword = StructuredValue::Dict(bound.keyword).to_string();
        Ok((StructuredValue::Tuple(bound.positional).to_string(), keyword))
    }

    #[test]
    fn arguments_are_bound_as_python_binds_them() {
        let spec = spec();
        let ok = |positional: &str, keyword: &str| Ok((positional.into(), keyword.into()));
        let failed = |what: &str| Err(what.to_owned());
        let one = "{'scale': 1.0}";
        assert_eq!(bound(&spec, &[7], &[]), ok("(7, 2)", one));
        assert_eq!(bound(&spec, &[], &[("y", 1), ("x", 5)]), ok("(5, 1)", one));
        assert_eq!(bound(&spec, &[7, 8], &[("scale", 3)]), ok("(7, 8)", "{'scale': 3}"));
        assert_eq!(bound(&spec, &[], &[]), failed("missing a required argument: 'x'"));
        assert_eq!(bound(&spec, &[1], &[("x", 1)]), failed("multiple values for argument 'x'"));
        assert_eq!(bound(&spec, &[1, 2, 3], &[]), failed("too many positional arguments"));
        let what = "got an unexpected keyword argument 'z'";
        assert_eq!(bound(&spec, &[1], &[("z", 1)]), failed(what));
    }

    #[test]
    fn further_arguments_go_where_the_function_takes_them() {
        let spec = FunctionSpec {
            varargs: Some("rest".into()),
            varkw: Some("more".into()),
            kwonlydefaults: BTreeMap::new(),
            ..spec()
        };
        let (positional, keyword) = bound(&spec, &[1, 2, 3], &[("scale", 4), ("z", 5)]).unwrap();
        assert_eq!((&*positional, &*keyword), ("(1, 2, 3)", "{'scale': 4, 'z': 5}"));
        let error = bound(&spec, &[1], &[]).unwrap_err();
        assert_eq!(error, "missing a required keyword-only argument: 'scale'");
        assert_eq!(spec.to_string(), "(x, y=<captured_default_value>, *rest, scale, **more)");
    }
}
