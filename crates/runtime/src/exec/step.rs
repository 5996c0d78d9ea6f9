use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::exec::Host;
use crate::kernel::{KernelContext, Status};
use crate::plan::{InputKind, Step};
use crate::{Error, Value};

/// Runs one step on its inputs and returns its outputs.
pub(super) fn run(
    step: &Step,
    inputs: &mut [Option<Value>],
    host: &Host,
) -> Result<Vec<Option<Value>>, Error> {
    let fail =
        |status| Error::Node { node: step.name.to_string(), op: step.op.to_string(), status };
    for (input, kind) in inputs.iter_mut().zip(&step.inputs) {
        if *kind == InputKind::Value {
            read_reference(input).map_err(fail)?;
        }
    }
    let mut outputs = vec![None; step.outputs.len()];
    let mut cx = KernelContext {
        node: &step.name,
        inputs,
        outputs: &mut outputs,
        resources: &host.resources,
        pool: &host.pool,
    };
    // A panic is a bug of the kernel; it must not take the process of a server with it.
    catch_unwind(AssertUnwindSafe(|| step.kernel.compute(&mut cx)))
        .unwrap_or_else(|panic| {
            Err(Status::internal(format!("the kernel panicked: {}", panic_text(&*panic))))
        })
        .map_err(fail)?;
    for (idx, (output, consumers)) in outputs.iter().zip(&step.outputs).enumerate() {
        if output.is_none() && !consumers.is_empty() {
            return Err(fail(Status::internal(format!("the kernel left output {idx} unset"))));
        }
    }
    Ok(outputs)
}

/// Replaces a reference by the value that the variable has now.
pub(super) fn read_reference(value: &mut Option<Value>) -> Result<(), Status> {
    if let Some(Value::Ref(variable)) = value {
        let tensor = variable.deref()?;
        *value = Some(Value::Host(tensor));
    }
    Ok(())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        return text;
    }
    panic.downcast_ref::<String>().map_or("unknown reason", String::as_str)
}
