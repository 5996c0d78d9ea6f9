use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::exec::Run;
use crate::kernel::{KernelContext, Status};
use crate::plan::{InputKind, Route, Step, Work};
use crate::{Error, Value};

/// Runs the kernel of one step on its inputs and puts its outputs into `outputs`, of which there are as many
/// as the step has.
pub(super) fn run(
    step: &Step,
    inputs: &mut [Option<Value>],
    outputs: &mut [Option<Value>],
    run: &Run,
) -> Result<(), Error> {
    run.check()?;
    let Work::Kernel(kernel) = &step.work else {
        return Err(fail(step, Status::internal("this executor runs no functions")));
    };
    for (input, kind) in inputs.iter_mut().zip(&step.inputs) {
        if *kind == InputKind::Value {
            read_reference(input).map_err(|status| fail(step, status))?;
        }
    }
    let mut cx = KernelContext {
        node: &step.name,
        inputs,
        outputs,
        resources: &run.host.resources,
        pool: &run.host.pool,
    };
    // A panic is a bug of the kernel; it must not take the process of a server with it.
    run.record(step, || catch_unwind(AssertUnwindSafe(|| kernel.compute(&mut cx))))
        .unwrap_or_else(|panic| {
            Err(Status::internal(format!("the kernel panicked: {}", panic_text(&*panic))))
        })
        .map_err(|status| fail(step, status))?;
    run.check_size(outputs).map_err(|status| fail(step, status))?;
    if step.route == Route::Switch {
        return Ok(());
    }
    for (idx, (output, consumers)) in outputs.iter().zip(&step.outputs).enumerate() {
        if output.is_none() && !consumers.is_empty() {
            let status = Status::internal(format!("the kernel left output {idx} unset"));
            return Err(fail(step, status));
        }
    }
    Ok(())
}

/// The error of a step.
pub(super) fn fail(step: &Step, status: Status) -> Error {
    Error::Node { node: step.name.to_string(), op: step.op.to_string(), status }
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
