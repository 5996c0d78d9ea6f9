//! Sequences of scopes, nodes and variables make the graphs that TensorFlow makes of them.
//!
//! `fixtures/graph_names/sequences.json.gz` holds random sequences, what TensorFlow said to each step,
//! and the graph and the variables in the end. `fixtures/graph_names/generate.py` says what steps mean.

use std::collections::{BTreeMap, HashSet};
use std::io::Read;

use base64::Engine;
use flowkeep_graph::builder::{
    DeviceSpec, Entered, FanMode, Initializer, Partitioner, Reuse, Scope, ScopeTarget, Variable,
    VariableOptions, VariableOrParts, VariableScope, VariableScopeOptions,
};
use flowkeep_graph::{Attr, AttrList, Error, InputRef, NodeId, Output, op_def};
use flowkeep_proto::pb;
use flowkeep_proto::pb::attr_value::Value as Kind;
use flowkeep_tensor::{DType, PartialShape, Tensor};
use prost::Message;
use serde_json::{Value, json};

fn sequences() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/graph_names/sequences.json.gz");
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut golden: Value = serde_json::from_str(&text).unwrap();
    match golden["sequences"].take() {
        Value::Array(sequences) => sequences,
        _ => panic!("no sequences"),
    }
}

fn decode(value: &Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap()
}

/// What a sequence has made so far, for later steps to refer to.
#[derive(Default)]
struct Player {
    log: Vec<Value>,
    tensors: Vec<Output>,
    ops: Vec<NodeId>,
    variables: Vec<Variable>,
    name_scopes: Vec<String>,
    variable_scopes: Vec<VariableScope>,
}

/// What is said to a step that cannot be done.
enum Refusal {
    Graph(Error),
    Step(&'static str),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Graph(error)
    }
}

type Said = Result<Value, Refusal>;

fn pick<'a, T>(things: &'a [T], number: &Value) -> Result<&'a T, Refusal> {
    let number = number.as_u64().unwrap() as usize;
    match things.len() {
        0 => Err(Refusal::Step("nothing to refer to")),
        n => Ok(&things[number % n]),
    }
}

fn text<'a>(step: &'a Value, key: &str) -> &'a str {
    step[key].as_str().unwrap_or_default()
}

impl Player {
    fn play(&mut self, scope: &mut Scope, steps: &Value) {
        for step in steps.as_array().unwrap() {
            let place = self.log.len();
            self.log.push(Value::Null);
            let said = match text(step, "do") {
                "name_scope" => self.name_scope(scope, step, place),
                "variable_scope" => self.variable_scope(scope, step, place),
                "device" | "container" => self.plain_scope(scope, step, place),
                "colocate_with" => self.colocate_with(scope, step, place),
                "control_dependencies" => self.control_dependencies(scope, step, place),
                "op" => self.op(scope, step),
                "variable" => self.variable(scope, step),
                "get_variable" => self.get_variable(scope, step),
                "assign" => self.assign(scope, step),
                "group" => self.group(scope, step),
                "unique_name" => Ok(json!(match step["mark"].as_bool().unwrap() {
                    true => scope.unique_name(text(step, "name")),
                    false => scope.peek_unique_name(text(step, "name")),
                })),
                "reuse_variables" => {
                    scope.reuse_variables();
                    Ok(json!(scope.current_variable_scope().name()))
                }
                other => panic!("unknown step {other}"),
            };
            self.log[place] = match said {
                Ok(said) => said,
                Err(Refusal::Graph(error)) => json!({"error": error.to_string()}),
                Err(Refusal::Step(error)) => json!({"error": error}),
            };
        }
    }

    /// Plays the body of a step in the scope that it has entered.
    fn body(&mut self, mut inner: Entered<'_>, step: &Value, place: usize, said: Value) -> Said {
        self.log[place] = said.clone();
        self.play(&mut inner, &step["body"]);
        Ok(said)
    }

    fn name_scope(&mut self, scope: &mut Scope, step: &Value, place: usize) -> Said {
        let name = match step.get("of") {
            Some(number) => pick(&self.name_scopes, number)?.clone(),
            None => text(step, "name").to_owned(),
        };
        let inner = scope.name_scope(&name)?;
        let absolute = inner.current_name_scope();
        self.body(inner, step, place, json!(absolute))?;
        self.name_scopes.push(absolute.clone());
        Ok(json!(absolute))
    }

    fn variable_scope(&mut self, scope: &mut Scope, step: &Value, place: usize) -> Said {
        let mut options = VariableScopeOptions { reuse: reuse(step), ..Default::default() };
        options.auxiliary_name_scope = step["auxiliary_name_scope"].as_bool().unwrap_or(true);
        options.defaults.use_resource = step["use_resource"].as_bool();
        options.defaults.dtype = dtype(step);
        options.defaults.initializer = step["initializer"].as_str().map(initializer);
        options.defaults.partitioner = partitioner(step);
        options.defaults.caching_device = caching_device(step);
        let given;
        let target = if let Some(number) = step.get("of") {
            given = pick(&self.variable_scopes, number)?.clone();
            ScopeTarget::Scope(&given)
        } else if let Some(name) = step["default_name"].as_str() {
            ScopeTarget::Default(name)
        } else {
            ScopeTarget::Name(text(step, "name"))
        };
        let mut inner = scope.variable_scope_with(target, options)?;
        let entered = inner.current_variable_scope();
        let absolute = inner.current_name_scope();
        let said = json!([
            entered.name(),
            entered.original_name_scope(),
            absolute.strip_suffix('/').unwrap_or(&absolute)
        ]);
        self.log[place] = said.clone();
        self.play(&mut inner, &step["body"]);
        self.variable_scopes.push(inner.current_variable_scope().clone());
        Ok(said)
    }

    fn plain_scope(&mut self, scope: &mut Scope, step: &Value, place: usize) -> Said {
        let inner = match (text(step, "do"), step["name"].as_str()) {
            ("container", name) => scope.container(name.unwrap()),
            (_, Some(name)) => scope.device(name)?,
            (_, None) => scope.without_device(),
        };
        self.body(inner, step, place, json!(""))
    }

    fn colocate_with(&mut self, scope: &mut Scope, step: &Value, place: usize) -> Said {
        let ignore_others = step["ignore_existing"].as_bool() == Some(true);
        let node = match &step["of"] {
            Value::Null => None,
            number => Some(self.referred(step, number)?),
        };
        let inner = match (node, ignore_others) {
            (None, true) => scope.without_colocation(),
            // What has no method here.
            (None, false) => {
                return Err(Refusal::Step(
                    "Trying to reset colocation (op is None) but ignore_existing is not True",
                ));
            }
            (Some(node), true) => scope.colocate_only_with(node)?,
            (Some(node), false) => scope.colocate_with(node)?,
        };
        self.body(inner, step, place, json!(""))
    }

    fn control_dependencies(&mut self, scope: &mut Scope, step: &Value, place: usize) -> Said {
        let inner = match step["of"].as_array() {
            None => scope.without_control_dependencies(),
            Some(numbers) => {
                let nodes = numbers.iter().map(|number| self.referred(step, number));
                scope.control_dependencies(nodes.collect::<Result<Vec<_>, _>>()?)?
            }
        };
        self.body(inner, step, place, json!(""))
    }

    fn referred(&self, step: &Value, number: &Value) -> Result<NodeId, Refusal> {
        if step["variable"].as_bool() == Some(true) {
            return Ok(pick(&self.variables, number)?.op());
        }
        pick(&self.ops, number).copied()
    }

    fn op(&mut self, scope: &mut Scope, step: &Value) -> Said {
        let mut inputs = Vec::new();
        for number in step["of"].as_array().into_iter().flatten() {
            inputs.push(*pick(&self.tensors, number)?);
        }
        let mut scope = scope.with_op_name(text(step, "name"));
        let tensor = match text(step, "op") {
            "placeholder" => scope.placeholder(DType::F32, [Some(2)])?,
            "constant" => scope.constant(Tensor::from_elements(vec![1.0f32, 2.0]))?,
            "identity" => scope.identity(inputs[0])?,
            "add" => scope.add(inputs[0], inputs[1])?,
            "add_constant" => scope.add(inputs[0], 1.0f32)?,
            // An operator, which takes no name.
            "plus" => scope.with_op_name("add").add(inputs[0], inputs[1])?,
            "no_op" => {
                let node = scope.no_op()?;
                return Ok(self.node_made(&scope, node));
            }
            "queue" => {
                let types = Attr::List(AttrList::Type([DType::F32].into()));
                let node = scope.op("FIFOQueueV2").attr("component_types", types).build()?;
                return Ok(self.node_made(&scope, node));
            }
            other => panic!("unknown op {other}"),
        };
        self.tensors.push(tensor);
        Ok(self.node_made(&scope, tensor.node))
    }

    fn node_made(&mut self, scope: &Scope, node: NodeId) -> Value {
        self.ops.push(node);
        json!(scope.graph().node(node).name())
    }

    fn variable(&mut self, scope: &mut Scope, step: &Value) -> Said {
        let mut options = options(step);
        if step.get("initializer").is_some() {
            options = options.dtype(DType::F32);
        }
        let made = scope.with_op_name(text(step, "name")).variable(options)?;
        Ok(self.variable_made(scope, made))
    }

    fn get_variable(&mut self, scope: &mut Scope, step: &Value) -> Said {
        let mut options = options(step);
        if step["local"].as_bool() == Some(true) {
            options = options.trainable(false).collections(["local_variables"]);
        }
        match scope.get_variable_or_parts(text(step, "name"), options)? {
            VariableOrParts::Whole(variable) => Ok(self.variable_made(scope, variable)),
            VariableOrParts::Parts(variable) => {
                let parts = variable.parts().iter();
                Ok(parts.map(|part| self.variable_made(scope, part.clone())).collect())
            }
        }
    }

    fn variable_made(&mut self, scope: &Scope, made: Variable) -> Value {
        let name = scope.graph().tensor_name(made.handle());
        self.ops.push(made.op());
        self.variables.push(made);
        json!(name.to_string())
    }

    fn assign(&mut self, scope: &mut Scope, step: &Value) -> Said {
        let variable = pick(&self.variables, &step["of"])?.clone();
        let mut scope = scope.with_op_name(text(step, "name"));
        let node = scope.assign(&variable, variable.initial_value().unwrap())?;
        Ok(self.node_made(&scope, node))
    }

    fn group(&mut self, scope: &mut Scope, step: &Value) -> Said {
        let numbers = step["of"].as_array().unwrap().iter();
        let nodes = numbers.map(|number| pick(&self.ops, number).copied());
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        let mut scope = scope.with_op_name(text(step, "name"));
        let node = scope.group(nodes)?;
        Ok(self.node_made(&scope, node))
    }
}

fn reuse(step: &Value) -> Option<Reuse> {
    match step.get("reuse")? {
        Value::Bool(true) => Some(Reuse::Yes),
        Value::Bool(false) => Some(Reuse::No),
        _ => Some(Reuse::Auto),
    }
}

fn dtype(step: &Value) -> Option<DType> {
    let name = step["dtype"].as_str()?;
    let known = [DType::F32, DType::F64, DType::F16, DType::BF16, DType::I32, DType::Bool];
    let known = known.into_iter().chain([DType::Complex64, DType::String]);
    Some(known.into_iter().find(|dtype| dtype.python_name() == name).expect(name))
}

fn partitioner(step: &Value) -> Option<Partitioner> {
    let cuts: Vec<i64> = step["partitions"].as_array()?.iter().flat_map(Value::as_i64).collect();
    Some(Partitioner::new(move |_, _| cuts.clone()))
}

fn caching_device(step: &Value) -> Option<DeviceSpec> {
    step["caching_device"].as_str().map(|device| device.parse().unwrap())
}

fn initializer(name: &str) -> Initializer {
    match name {
        "zeros" => Initializer::Zeros,
        "ones" => Initializer::Ones,
        "constant" => Initializer::Constant(7.0),
        "random_uniform" => Initializer::RandomUniform { min: -1.0, max: 1.0, seed: Some(3) },
        "random_normal" => Initializer::RandomNormal { mean: 0.5, stddev: 2.0, seed: None },
        "truncated_normal" => Initializer::TruncatedNormal { mean: 0.0, stddev: 0.1, seed: None },
        "variance_scaling" => Initializer::VarianceScaling {
            scale: 2.0,
            mode: FanMode::FanIn,
            distribution: flowkeep_graph::builder::Distribution::TruncatedNormal,
            seed: None,
        },
        other => panic!("unknown initializer {other}"),
    }
}

fn options(step: &Value) -> VariableOptions {
    let mut options = VariableOptions::new();
    if let Some(dims) = step["shape"].as_array() {
        let dims = dims.iter().map(Value::as_u64).collect();
        options = options.partial_shape(PartialShape::new(dims));
    }
    if let Some(dtype) = dtype(step) {
        options = options.dtype(dtype);
    }
    if let Some(name) = step["initializer"].as_str() {
        options = options.initializer(initializer(name));
    }
    match &step["value"] {
        Value::Null => {}
        Value::Array(values) => {
            let values: Vec<f32> =
                values.iter().map(|value| value.as_f64().unwrap() as f32).collect();
            options = options.initializer(values);
        }
        value => options = options.initializer(value.as_f64().unwrap() as f32),
    }
    if let Some(trainable) = step["trainable"].as_bool() {
        options = options.trainable(trainable);
    }
    if let Some(use_resource) = step["use_resource"].as_bool() {
        options = options.use_resource(use_resource);
    }
    if let Some(partitioner) = partitioner(step) {
        options = options.partitioner(partitioner);
    }
    if let Some(device) = caching_device(step) {
        options = options.caching_device(device);
    }
    options
}

/// A node in the one of several equal forms that a writer uses: control inputs sorted, defaults filled
/// in.
fn normal(mut node: pb::NodeDef) -> pb::NodeDef {
    for input in &mut node.input {
        *input = InputRef::parse(input).to_string();
    }
    let n_data = node.input.iter().take_while(|input| !input.starts_with('^')).count();
    node.input[n_data..].sort();
    for attr in &op_def::lookup(&node.op).expect(&node.op).attrs {
        if let Some(default) = &attr.default {
            node.attr.entry(attr.name.to_string()).or_insert_with(|| default.to_proto());
        }
    }
    node
}

/// The node without groups of nodes that do not exist.
///
/// When a variable cannot be made, TensorFlow leaves its initial value behind, colocated with it, in a
/// graph that no importer takes. Here such a graph cannot be.
fn without_dangling_class(mut node: pb::NodeDef, names: &HashSet<String>) -> pb::NodeDef {
    if let Some(Kind::List(classes)) =
        node.attr.get_mut("_class").and_then(|attr| attr.value.as_mut())
    {
        let target = |class: &[u8]| std::str::from_utf8(&class[5..]).unwrap().to_owned();
        classes.s.retain(|class| names.contains(&target(class)));
        if classes.s.is_empty() {
            node.attr.remove("_class");
        }
    }
    node
}

/// The first node that differs; also when one is missing.
fn difference(got: Vec<pb::NodeDef>, want: Vec<pb::NodeDef>) -> Option<String> {
    let n = got.len().max(want.len());
    let names: HashSet<String> = want.iter().map(|node| node.name.clone()).collect();
    let mut got = got.into_iter().map(normal);
    let mut want = want.into_iter().map(normal).map(|node| without_dangling_class(node, &names));
    (0..n).find_map(|_| {
        let (got, want) = (got.next(), want.next());
        (got != want).then(|| format!("node\n  got  {got:?}\n  want {want:?}"))
    })
}

fn collections(scope: &Scope) -> BTreeMap<String, Vec<Vec<u8>>> {
    let collections = scope.collections();
    let defs = |name: &str| -> Vec<Vec<u8>> {
        let defs = collections.variable_defs(name, scope.graph());
        defs.iter().map(Message::encode_to_vec).collect()
    };
    collections.iter().map(|(name, _)| (name.to_owned(), defs(name))).collect()
}

#[test]
fn sequences_of_steps_make_the_graphs_that_tensorflow_makes() {
    let sequences = sequences();
    assert!(sequences.len() >= 400);
    let mut wrong = Vec::new();
    for (idx, sequence) in sequences.iter().enumerate() {
        let mut scope = Scope::new();
        if sequence["resource_variables"].as_bool() == Some(false) {
            scope.disable_resource_variables();
        }
        let mut player = Player::default();
        player.play(&mut scope, &sequence["steps"]);
        let want_log = sequence["log"].as_array().unwrap();
        assert_eq!(player.log.len(), want_log.len(), "{idx}");
        if let Some(step) = (0..want_log.len()).find(|step| player.log[*step] != want_log[*step]) {
            let (got, want) = (&player.log[step], &want_log[step]);
            wrong.push(format!("{idx}: step {step} said\n  got  {got}\n  want {want}"));
            continue;
        }
        let want = pb::GraphDef::decode(&*decode(&sequence["graph_def"])).unwrap();
        let got = scope.graph().to_graph_def();
        if let Some(difference) = difference(got.node, want.node) {
            wrong.push(format!("{idx}: {difference}"));
            continue;
        }
        let want: BTreeMap<String, Vec<Vec<u8>>> = sequence["collections"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, defs)| {
                (name.clone(), defs.as_array().unwrap().iter().map(decode).collect())
            })
            .collect();
        assert_eq!(collections(&scope), want, "{idx}");
    }
    let n = wrong.len();
    wrong.truncate(12);
    assert!(n == 0, "{n} of {} sequences differ\n{}", sequences.len(), wrong.join("\n"));
}
