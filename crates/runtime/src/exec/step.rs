use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::exec::Run;
use crate::exec::room::Room;
use crate::kernel::{KernelContext, OpKernel, Place, Status};
use crate::plan::{InputKind, Route, Step, Work};
use crate::{Error, Value};

/// Where the inputs and outputs of a step are, and what else is there.
pub(super) struct Values<'a> {
    pub(super) all: &'a mut [Option<Value>],
    pub(super) inputs: &'a [Place],
    pub(super) outputs: &'a [Place],
}

/// Runs the kernel of one step on its inputs and sets its outputs.
pub(super) fn run(step: &Step, values: Values<'_>, run: &Run) -> Result<(), Error> {
    let Work::Kernel(kernel) = &step.work else {
        return Err(fail(step, Status::internal("this executor runs no functions")));
    };
    guarded(|| run_kernel(step, &**kernel, values, run))
        .unwrap_or_else(|panicked| Err(fail(step, panicked)))
}

/// Does `work`. A panic is a bug of a kernel; it must not take the process of a server with it.
pub(super) fn guarded<R>(work: impl FnOnce() -> R) -> Result<R, Status> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|panic| Status::internal(format!("the kernel panicked: {}", panic_text(&*panic))))
}

/// As [`run`], with the step's kernel at hand, which may panic.
#[inline]
pub(super) fn run_kernel(
    step: &Step,
    kernel: &dyn OpKernel,
    values: Values<'_>,
    run: &Run,
) -> Result<(), Error> {
    run.check()?;
    let is_reference = |place: &Place| matches!(values.all[place.index()], Some(Value::Ref(_)));
    if values.inputs.iter().any(is_reference) && step.inputs.contains(&InputKind::Value) {
        return run_on_references(step, kernel, values, run);
    }
    compute(step, kernel, values, run)
}

/// Reads variables first: in a room of the step's own, since others may want the references.
#[cold]
fn run_on_references(
    step: &Step,
    kernel: &dyn OpKernel,
    values: Values<'_>,
    run: &Run,
) -> Result<(), Error> {
    let mut room = Room::new(values.inputs.len(), values.outputs.len());
    for ((input, place), kind) in room.inputs().iter_mut().zip(values.inputs).zip(&step.inputs) {
        let value = &mut values.all[place.index()];
        *input = if place.is_last { value.take() } else { value.clone() };
        if *kind == InputKind::Value {
            read_reference(input).map_err(|status| fail(step, status))?;
        }
    }
    compute(step, kernel, room.values(), run)?;
    for (output, place) in room.outputs().iter_mut().zip(values.outputs) {
        values.all[place.index()] = output.take();
    }
    Ok(())
}

#[inline]
fn compute(step: &Step, kernel: &dyn OpKernel, values: Values<'_>, run: &Run) -> Result<(), Error> {
    let Values { all, inputs, outputs } = values;
    let mut cx = KernelContext { node: &step.name, values: all, inputs, outputs, run };
    run.record(step, || kernel.compute(&mut cx)).map_err(|status| fail(step, status))?;
    run.check_sizes(cx.values, outputs).map_err(|status| fail(step, status))?;
    for (idx, place) in outputs.iter().enumerate() {
        if cx.values[place.index()].is_none() {
            check_unset(step, idx)?;
        }
    }
    Ok(())
}

/// Whether output `idx` may be unset.
#[cold]
fn check_unset(step: &Step, idx: usize) -> Result<(), Error> {
    if step.route == Route::Switch || step.outputs[idx].is_empty() {
        return Ok(());
    }
    Err(fail(step, Status::internal(format!("the kernel left output {idx} unset"))))
}

/// The error of a step.
pub(super) fn fail(step: &Step, status: Status) -> Error {
    let (node, op) = match status.origin() {
        Some(origin) => (&origin.node, &origin.op),
        None => (&step.name, &step.op),
    };
    Error::Node { node: node.to_string(), op: op.to_string(), status }
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
