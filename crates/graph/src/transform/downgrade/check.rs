//! A node against what the consumer knows.

use std::collections::BTreeMap;

use flowkeep_proto::pb;
use flowkeep_tensor::DType;

use super::history::{History, Releases};
use super::{Consumer, DowngradeReport, Problem, swap};
use crate::transform::default_attrs::RemovedAttr;
use crate::{Attr, AttrList, op_def};

/// Removes what the consumer can do without, and reports what it will not take.
pub(super) fn check(
    node: &mut pb::NodeDef,
    function: Option<&str>,
    consumer: Consumer,
    report: &mut DowngradeReport,
) {
    let history = History::get();
    let (name, op) = (node.name.clone(), node.op.clone());
    let Some(def) = op_def::lookup(&op) else {
        if !report.unknown_ops.contains(&op) {
            report.unknown_ops.push(op);
        }
        return;
    };
    let mut problems = Vec::new();
    let releases = history.op(&op);
    if !releases.contains(consumer.position) {
        problems.push(newer(&format!("op {op}"), &releases));
    } else {
        let attrs = std::mem::take(&mut node.attr);
        let mut kept: BTreeMap<String, pb::AttrValue> = BTreeMap::new();
        for (attr, value) in attrs {
            if attr.starts_with('_') {
                kept.insert(attr, value);
                continue;
            }
            let releases = history.attr(&op, &attr);
            if def.attr(&attr).is_none() {
                problems.push(format!("attribute {attr} is in no release that is known"));
            } else if !releases.contains(consumer.position) {
                let default = def.attr(&attr).and_then(|def| def.default.as_ref());
                let is_default =
                    default.is_some_and(|default| *default == Attr::from_proto(value.clone()));
                if is_default || swap::is_idle(&op, &attr, &value) {
                    report.removed_attrs.push(RemovedAttr {
                        function: function.map(str::to_owned),
                        node: name.clone(),
                        op: op.clone(),
                        attr,
                    });
                    continue;
                }
                let what = format!("value {} of attribute {attr}", Attr::from_proto(value.clone()));
                problems.push(newer(&what, &releases));
            } else {
                problems.extend(newer_value(&op, &attr, &value, consumer));
            }
            kept.insert(attr, value);
        }
        node.attr = kept;
    }
    report.problems.extend(problems.into_iter().map(|what| Problem {
        function: function.map(str::to_owned),
        node: Some(name.clone()),
        op: Some(op.clone()),
        what,
    }));
}

/// Says that the consumer does not know a type, by its number.
pub(super) fn newer_type(number: i32, consumer: Consumer) -> Option<String> {
    let dtype = DType::from_number(number).ok()?;
    let releases = History::get().dtype(dtype.proto_name());
    (!releases.contains(consumer.position)).then(|| newer(&format!("type {dtype}"), &releases))
}

/// Says that the consumer does not allow a value of an attribute that it has.
fn newer_value(op: &str, name: &str, value: &pb::AttrValue, consumer: Consumer) -> Option<String> {
    let history = History::get();
    let attr = Attr::from_proto(value.clone());
    let of_type = |dtype: &DType| {
        newer_type(dtype.number(), consumer)
            .map(|what| format!("attribute {name}: {what}"))
            .or_else(|| {
                let releases = history.value(op, name, dtype.proto_name());
                (!releases.contains(consumer.position))
                    .then(|| newer(&format!("type {dtype} of attribute {name}"), &releases))
            })
    };
    match &attr {
        Attr::Type(dtype) => of_type(dtype),
        Attr::List(AttrList::Type(dtypes)) => dtypes.iter().find_map(of_type),
        Attr::Str(text) => {
            let text = std::str::from_utf8(text).ok()?;
            let releases = history.value(op, name, text);
            (!releases.contains(consumer.position))
                .then(|| newer(&format!("value \"{text}\" of attribute {name}"), &releases))
        }
        _ => None,
    }
}

fn newer(what: &str, releases: &Releases) -> String {
    format!("{what} is in TensorFlow {}", History::get().describe(releases))
}
