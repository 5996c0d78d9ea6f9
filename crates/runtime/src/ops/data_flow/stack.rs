use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowkeep_tensor::DType;

use crate::Value;
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::resource::{Resource, ResourceHandle};

/// Values, last in first out: what a loop puts away for its gradient. Freed with its last handle,
/// at the end of the run.
#[derive(Debug)]
struct Stack {
    name: String,
    dtype: DType,
    max_size: Option<usize>,
    values: Mutex<Values>,
}

#[derive(Debug, Default)]
struct Values {
    is_closed: bool,
    values: Vec<Value>,
}

impl Resource for Stack {
    fn kind(&self) -> &'static str {
        "stack"
    }
}

impl Stack {
    fn open(&self) -> Result<MutexGuard<'_, Values>, Status> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if values.is_closed {
            let message = format!("Stack[{}] has already been closed.", self.name);
            return Err(Status::invalid_argument(message));
        }
        Ok(values)
    }
}

/// A new stack of at most `max_size` values; a negative number is no limit.
///
/// Shapes: in V2 `max_size []` → handle.  Types: `elem_type` any.
/// Source: OpDefs `Stack`, `StackV2`.
pub(super) fn stack(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("elem_type")?;
    let name = match init.attr_str("stack_name")? {
        "" => init.base_name(),
        name => name,
    };
    let (name, n_made) = (name.to_owned(), AtomicU64::new(0));
    kernel(move |cx| {
        let max_size = match cx.n_inputs() {
            0 => None,
            _ => usize::try_from(args::int(cx.input(0)?, "Stack size")?).ok(),
        };
        let name = format!("{name}_{}", n_made.fetch_add(1, Ordering::Relaxed));
        let stack = Stack { name: name.clone(), dtype, max_size, values: Mutex::default() };
        cx.set_output(0, ResourceHandle::private(name, Arc::new(stack)))
    })
}

/// Puts a value on a stack, and hands it on.
///
/// Shapes: handle, `elem [D..]` → `[D..]`.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` for another type, and when the stack is full or closed.
/// Source: OpDefs `StackPush`, `StackPushV2`.
pub(super) fn push(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let stack = cx.resource(0)?.get::<Stack>()?;
        let value = cx.take_value(1)?;
        if value.dtype() != stack.dtype {
            let (expected, got) = (stack.dtype as i32, value.dtype() as i32);
            let message = format!("Must have type {expected} but got {got}");
            return Err(Status::invalid_argument(message));
        }
        let mut values = stack.open()?;
        if let Some(max) = stack.max_size.filter(|max| values.values.len() >= *max) {
            let message = format!("Stack[{}] overflowed its max_size ({max})", stack.name);
            return Err(Status::invalid_argument(message));
        }
        values.values.push(value.clone());
        drop(values);
        cx.set_output(0, value)
    })
}

/// Takes the value that was put on a stack last.
///
/// Shapes: handle → `[D..]`.  Errors: `INVALID_ARGUMENT` when the stack is empty or closed.
/// Source: OpDefs `StackPop`, `StackPopV2`.
pub(super) fn pop(_: &KernelInit<'_>) -> Built {
    kernel(|cx: &mut KernelContext<'_>| {
        let stack = cx.resource(0)?.get::<Stack>()?;
        let value = stack.open()?.values.pop();
        let value = value.ok_or_else(|| {
            let message = format!("Stack[{}] is empty when calling Pop().", stack.name);
            Status::invalid_argument(message)
        })?;
        cx.set_output(0, value)
    })
}

/// Frees the values of a stack before the run ends.
///
/// Source: OpDefs `StackClose`, `StackCloseV2`.
pub(super) fn close(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let stack = cx.resource(0)?.get::<Stack>()?;
        let mut values = stack.values.lock().unwrap_or_else(PoisonError::into_inner);
        *values = Values { is_closed: true, values: Vec::new() };
        Ok(())
    })
}
