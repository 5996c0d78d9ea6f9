//! Variables and Savers as the cases describe them.

use std::collections::HashMap;

use flowkeep_graph::Attr;
use flowkeep_graph::builder::{
    Initializer, Operand, Partitioner, SaveSpec, SaveableObject, Scope, Table, TableOptions,
    Variable, VariableOptions, VariableOrParts,
};
use flowkeep_saver::{Error, SaveItem, Saver, SaverBuilder, SaverConfig, VarList, WriteVersion};
use flowkeep_tensor::{DType, PartialShape, Shape};
use serde_json::Value;

pub(crate) type Variables = HashMap<String, SaveItem>;

pub(crate) fn variables(scope: &mut Scope, specs: &Value) -> Variables {
    let mut variables = Variables::new();
    for spec in specs.as_array().unwrap() {
        let mut scope = match spec["device"].as_str() {
            Some(device) => scope.device(device).unwrap(),
            None => scope.with_op_name(""),
        };
        let name = spec["name"].as_str().unwrap();
        if spec["table"].is_string() {
            let table = table(&mut scope, spec);
            variables.insert(name.to_owned(), (&table).into());
            continue;
        }
        if let Some(of) = spec["halves"].as_str() {
            let SaveItem::Variable(variable) = &variables[of] else { panic!("{of}") };
            let object = halves(&mut scope, variable.clone(), name);
            scope.add_saveable_object(object.clone());
            variables.insert(name.to_owned(), object.into());
            continue;
        }
        match variable(&mut scope, spec) {
            VariableOrParts::Whole(variable) => {
                variables.insert(name.to_owned(), variable.into());
            }
            VariableOrParts::Parts(whole) => {
                for part in whole.parts() {
                    let name = scope.graph().node(part.op()).name().to_owned();
                    variables.insert(name, part.into());
                }
                variables.insert(whole.name().to_owned(), whole.into());
            }
        }
    }
    variables
}

fn operand(dtype: DType, value: &Value) -> Operand {
    let number = |value: &Value| value.as_f64().unwrap() as f32;
    match (dtype, value) {
        (DType::I64, value) => value.as_i64().unwrap().into(),
        (_, Value::Array(values)) => values.iter().map(number).collect::<Vec<f32>>().into(),
        (_, value) => number(value).into(),
    }
}

fn table(scope: &mut Scope, spec: &Value) -> Table {
    let name = spec["name"].as_str().unwrap();
    let dtypes = ["table", "dtype"].map(|key| dtype_of(&spec[key]));
    let default = operand(dtypes[1], &spec["default"]);
    let checkpoint = spec["checkpoint"].as_bool().unwrap_or(true);
    let options = TableOptions { checkpoint, ..TableOptions::default() };
    let mut named = scope.with_op_name(name);
    match spec.get("empty") {
        None => named.mutable_hash_table(dtypes[0], default, options).unwrap(),
        Some(empty) => {
            let (empty, deleted) =
                (operand(dtypes[0], empty), operand(dtypes[0], &spec["deleted"]));
            named.dense_hash_table(empty, deleted, default, options).unwrap()
        }
    }
}

/// What saves a vector of four numbers as two vectors of two.
fn halves(scope: &mut Scope, variable: Variable, name: &str) -> SaveableObject {
    let value = scope.read(&variable).unwrap();
    let parts = {
        let mut inner = scope.name_scope("halves").unwrap();
        let split = inner.op("Split").input(0i32).input(value).attr("num_split", Attr::Int(2));
        let split = split.name("split").build().unwrap();
        [split.output(0), split.output(1)]
    };
    let specs = parts.iter().enumerate();
    let specs = specs.map(|(idx, part)| SaveSpec::new(*part, format!("{name}/{idx}"))).collect();
    SaveableObject::new(name, specs, move |scope, tensors, shapes| {
        let mut tensors = tensors.to_vec();
        for (tensor, shape) in tensors.iter_mut().zip(shapes.unwrap_or_default()) {
            *tensor = scope.op("Reshape").input(*tensor).input(shape.clone()).build_one()?;
        }
        let whole = scope.concat(tensors, 0)?;
        scope.assign(&variable, whole)
    })
}

fn dtype_of(value: &Value) -> DType {
    let name = value.as_str().unwrap();
    let all = [
        DType::F32,
        DType::F64,
        DType::F16,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::Bool,
        DType::String,
    ];
    all.into_iter().find(|known| known.python_name() == name).unwrap()
}

fn variable(scope: &mut Scope, spec: &Value) -> VariableOrParts {
    let name = spec["name"].as_str().unwrap();
    let options = VariableOptions::new().use_resource(spec["resource"].as_bool().unwrap());
    if spec["unknown"].as_bool() == Some(true) {
        let mut named = scope.with_op_name(&format!("{name}_value"));
        let value = named.placeholder_of(DType::F32, PartialShape::unknown()).unwrap();
        drop(named);
        let options = options.initializer(Initializer::Value(value.into())).validate_shape(false);
        return VariableOrParts::Whole(scope.with_op_name(name).variable(options).unwrap());
    }
    let sizes = spec["shape"].as_array().unwrap().iter();
    let sizes: Vec<usize> =
        sizes.map(|size| usize::try_from(size.as_u64().unwrap()).unwrap()).collect();
    let dtype = dtype_of(&spec["dtype"]);
    let mut options =
        options.shape(Shape::from(sizes)).dtype(dtype).initializer(Initializer::Zeros);
    if let Some(parts) = spec["parts"].as_array() {
        let number = |idx: usize| usize::try_from(parts[idx].as_u64().unwrap()).unwrap();
        options = options.partitioner(Partitioner::fixed_size(number(0), number(1)));
    }
    if let Some(device) = spec["caching_device"].as_str() {
        options = options.caching_device(device.parse().unwrap());
    }
    scope.get_variable_or_parts(name, options).unwrap()
}

fn item(scope: &Scope, value: &Value, variables: &Variables) -> SaveItem {
    if let Some(slices) = value.as_array() {
        let slices = slices.iter().map(|slice| match item(scope, slice, variables) {
            SaveItem::Variable(variable) => variable,
            other => panic!("{other:?}"),
        });
        return SaveItem::Slices(slices.collect());
    }
    match value["tensor"].as_str() {
        Some(name) => scope.graph().get_tensor_by_name(name).unwrap().into(),
        None => variables[value.as_str().unwrap()].clone(),
    }
}

/// Lists in a list laid flat, as they need not be slices.
fn items(scope: &Scope, values: &Value, variables: &Variables, found: &mut Vec<SaveItem>) {
    for value in values.as_array().unwrap() {
        match value.is_array() {
            true => items(scope, value, variables, found),
            false => found.push(item(scope, value, variables)),
        }
    }
}

fn var_list(scope: &Scope, spec: &Value, variables: &Variables) -> Option<VarList> {
    match spec {
        Value::Null => None,
        Value::Object(map) => {
            let items = map.iter();
            Some(VarList::map(items.map(|(key, value)| (key, item(scope, value, variables)))))
        }
        list => {
            let mut found = Vec::new();
            items(scope, list, variables, &mut found);
            Some(VarList::List(found))
        }
    }
}

pub(crate) fn saver(
    scope: &mut Scope,
    spec: &Value,
    variables: &Variables,
) -> Result<Saver, Error> {
    let default = SaverConfig::default();
    let is = |key: &str| spec[key].as_bool().unwrap_or(false);
    let text = |key: &str| spec[key].as_str().map(str::to_owned);
    let max_to_keep = match spec.get("max_to_keep") {
        Some(value) => value.as_i64().map(|value| i32::try_from(value).unwrap()),
        None => default.max_to_keep,
    };
    let hours = spec["keep_checkpoint_every_n_hours"].as_f64();
    let config = SaverConfig {
        var_list: var_list(scope, &spec["var_list"], variables),
        reshape: is("reshape"),
        sharded: is("sharded"),
        max_to_keep,
        keep_checkpoint_every_n_hours: hours.unwrap_or(default.keep_checkpoint_every_n_hours),
        name: text("name"),
        restore_sequentially: is("restore_sequentially"),
        builder: if spec["builder"] == "base" { SaverBuilder::Base } else { SaverBuilder::Bulk },
        defer_build: is("defer_build"),
        allow_empty: is("allow_empty"),
        write_version: if spec["write_version"] == 1 { WriteVersion::V1 } else { WriteVersion::V2 },
        pad_step_number: is("pad_step_number"),
        save_relative_paths: is("save_relative_paths"),
        filename: text("filename"),
        ..default
    };
    let mut scope = match spec["scope"].as_str() {
        Some(name) => scope.name_scope(name).unwrap(),
        None => scope.with_op_name(""),
    };
    let mut saver = Saver::new(&mut scope, config)?;
    if is("build") {
        saver.build(&mut scope)?;
    }
    Ok(saver)
}
