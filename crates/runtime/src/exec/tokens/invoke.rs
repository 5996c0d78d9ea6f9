//! Calls, conditions and loops of functions: steps that run bodies.

use super::frame::{Frame, Parent};
use super::world::Hold;
use super::{Caller, Machine, Task, truth};
use crate::exec::flat::Unobserved;
use crate::exec::{flat, step};
use crate::kernel::Status;
use crate::plan::{InputKind, Invoke, Plan, Step, Work};
use crate::{Error, Value};

/// Calls within calls, at most: beyond it, a function surely calls itself without end.
const MAX_CALL_DEPTH: usize = 10_000;

/// What a step goes on with when the body that it runs is over.
#[derive(Default)]
pub(in crate::exec) enum Then {
    /// The results are the step's.
    #[default]
    Return,
    /// The result says whether the loop goes on with these variables.
    Test(Vec<Option<Value>>),
    /// The results are the loop's variables.
    Repeat,
}

/// What a body returned, and what its caller goes on with.
type Returned = (Then, Vec<Option<Value>>);

impl Machine {
    /// Starts what `invoke` says on `inputs`.
    pub(super) fn invoke(
        &self,
        hold: &mut Hold<'_>,
        caller: Caller,
        (planned, invoke): (&Step, &Invoke),
        mut inputs: Vec<Option<Value>>,
        ready: &mut Vec<Task>,
    ) -> Result<(), Error> {
        let fail = |status| step::fail(planned, status);
        for (input, kind) in inputs.iter_mut().zip(&planned.inputs) {
            if *kind == InputKind::Value {
                step::read_reference(input).map_err(fail)?;
            }
        }
        let choose = |inputs: &mut Vec<Option<Value>>| {
            if inputs.is_empty() { None } else { inputs.remove(0) }
        };
        let body = match invoke {
            Invoke::Call(body) => *body,
            Invoke::If { then_body, else_body } => {
                let cond = choose(&mut inputs);
                let is_true = truth::is_true(cond.as_ref()).map_err(fail)?;
                if is_true { *then_body } else { *else_body }
            }
            Invoke::Case(bodies) => {
                let idx = choose(&mut inputs);
                bodies[truth::branch(idx.as_ref(), bodies.len()).map_err(fail)?]
            }
            Invoke::While { .. } => return self.resume(hold, caller, Then::Repeat, inputs, ready),
        };
        match self.enter_body(hold, caller, body, inputs, Then::Return, ready)? {
            Some((then, results)) => self.resume(hold, caller, then, results, ready),
            None => Ok(()),
        }
    }

    /// Goes on with what a body returned.
    pub(super) fn resume(
        &self,
        hold: &mut Hold<'_>,
        caller: Caller,
        then: Then,
        results: Vec<Option<Value>>,
        ready: &mut Vec<Task>,
    ) -> Result<(), Error> {
        let Some(frame) = hold.world().frame(caller.at.frame) else { return Ok(()) };
        let plan = self.plan_of(frame.body);
        let planned = &plan.steps[caller.step];
        let fail = |status| step::fail(planned, status);
        let mut next = Some((then, results));
        while let Some((then, results)) = next {
            if let Some(idx) = results.iter().position(Option::is_none) {
                let message = format!("Retval[{idx}] does not have value");
                return Err(fail(Status::invalid_argument(message)));
            }
            next = match (then, &planned.work) {
                (Then::Test(vars), Work::Invoke(Invoke::While { body, .. })) => {
                    if truth::is_true(results[0].as_ref()).map_err(fail)? {
                        self.enter_body(hold, caller, *body, vars, Then::Repeat, ready)?
                    } else {
                        hold.world().finish(plan, caller, vars, ready);
                        None
                    }
                }
                (Then::Repeat, Work::Invoke(Invoke::While { cond, .. })) => {
                    // The variables stay; what the condition does not look at is not shared.
                    let looked_at = self.plan.bodies[*cond].feeds.iter().zip(&results);
                    let args = looked_at.map(|(consumers, value)| match consumers.is_empty() {
                        true => None,
                        false => value.clone(),
                    });
                    let args = args.collect();
                    self.enter_body(hold, caller, *cond, args, Then::Test(results), ready)?
                }
                _ => {
                    hold.world().finish(plan, caller, results, ready);
                    None
                }
            };
        }
        Ok(())
    }

    /// Runs a body: at once if that is best, which gives its results, else as a frame.
    fn enter_body(
        &self,
        hold: &mut Hold<'_>,
        caller: Caller,
        body: usize,
        args: Vec<Option<Value>>,
        then: Then,
        ready: &mut Vec<Task>,
    ) -> Result<Option<Returned>, Error> {
        self.run.check()?;
        let plan = &self.plan.bodies[body];
        if let Some(layout) = &plan.layout
            && (self.is_serial || is_best_alone(plan, &then))
        {
            hold.release();
            let results = flat::run(plan, layout, args.into_iter(), &self.run, &mut Unobserved)?;
            return Ok(Some((then, results)));
        }
        let world = hold.world();
        let Some(outside) = world.frame(caller.at.frame) else { return Ok(None) };
        let depth = outside.depth + 1;
        if depth > MAX_CALL_DEPTH {
            let planned = &self.plan_of(outside.body).steps[caller.step];
            let message = format!("calls of functions nest deeper than {MAX_CALL_DEPTH}");
            return Err(step::fail(planned, Status::resource_exhausted(message)));
        }
        let mut frame = Frame::new(plan, Some(body), 0, Parent::Call(caller), depth);
        frame.then = then;
        frame.is_timed = !self.is_serial && plan.costs.is_to_be_timed();
        let id = world.add(frame);
        if world.frame(id).is_some_and(|frame| frame.start(plan, args, ready)) {
            ready.push(Task::Ended(id));
        }
        Ok(None)
    }
}

/// Whether a flat body gains nothing from being shared among threads: its kernels share their own
/// work, and a loop's body is not worth handing around each time.
fn is_best_alone(plan: &Plan, then: &Then) -> bool {
    !matches!(then, Then::Return) || plan.steps.iter().filter(|step| !step.cheap).count() < 2
}
