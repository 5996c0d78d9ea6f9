//! What the steps of a flat plan were seen to take, and what follows for how to run them.
//!
//! To hand a step to another thread costs more than most steps do. So a run is timed now and then,
//! and a plan whose heavy steps hardly overlap, or that has none, runs on one thread: kernels still
//! share their own work. Which way a plan runs changes no result.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::plan::Step;
use crate::plan::schedule::Draft;

/// What a step must take at least to be worth another thread.
const HEAVY: Duration = Duration::from_micros(20);
/// One of so many runs is timed.
const PERIOD: usize = 256;

/// What is known of the steps' times.
#[derive(Debug)]
pub(crate) struct Costs {
    n_runs: AtomicUsize,
    /// Whether several threads finish earlier than one.
    gains_from_threads: AtomicBool,
    /// Whether each step is worth a thread.
    heavy: Vec<AtomicBool>,
}

impl Costs {
    /// What can be said before anything has run.
    pub(super) fn new(drafts: &[Draft]) -> Costs {
        let heavy: Vec<_> = drafts.iter().map(|draft| AtomicBool::new(!draft.cheap)).collect();
        let n_heavy = drafts.iter().filter(|draft| !draft.cheap).count();
        Costs { n_runs: AtomicUsize::new(0), gains_from_threads: (n_heavy > 1).into(), heavy }
    }

    /// Counts a run. Gives whether it should be timed: the second, as the first does work that is
    /// never done again, and some of the later ones.
    pub(crate) fn is_to_be_timed(&self) -> bool {
        self.n_runs.fetch_add(1, Ordering::Relaxed) % PERIOD == 1
    }

    /// Whether several threads finish a run earlier than one.
    pub(crate) fn gains_from_threads(&self) -> bool {
        self.gains_from_threads.load(Ordering::Relaxed)
    }

    /// Whether a step is worth another thread.
    pub(crate) fn is_heavy(&self, step: usize) -> bool {
        self.heavy.get(step).is_none_or(|heavy| heavy.load(Ordering::Relaxed))
    }

    /// Notes what a step took.
    pub(crate) fn note(&self, step: usize, time: Duration) {
        if let Some(heavy) = self.heavy.get(step) {
            heavy.store(time >= HEAVY, Ordering::Relaxed);
        }
    }

    /// Learns from the times of a run of `steps` one after another.
    pub(crate) fn learn(&self, steps: &[Step], times: &[Duration]) {
        let mut starts = vec![Duration::ZERO; steps.len()];
        let (mut total, mut longest) = (Duration::ZERO, Duration::ZERO);
        for (idx, (step, time)) in steps.iter().zip(times).enumerate() {
            let is_heavy = *time >= HEAVY;
            self.heavy[idx].store(is_heavy, Ordering::Relaxed);
            let mut end = starts[idx];
            if is_heavy {
                total += *time;
                end += *time;
                longest = longest.max(end);
            }
            let data = step.outputs.iter().flatten().filter_map(|consumer| consumer.step);
            for next in data.chain(step.control_outputs.iter().copied()) {
                starts[next] = starts[next].max(end);
            }
        }
        // A tenth is what it must gain at least, to be worth the handing around.
        self.gains_from_threads.store(longest < total.mul_f64(0.9), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::plan::{Consumer, Invoke, Route, Work};

    /// A step that feeds others.
    fn step(consumers: &[usize], control_outputs: &[usize]) -> Step {
        let consumers = consumers.iter().map(|step| Consumer { slot: 0, step: Some(*step) });
        Step {
            name: "step".into(),
            op: Arc::from("Any"),
            work: Work::Invoke(Invoke::Call(0)),
            route: Route::Plain,
            frame: 0,
            first_slot: 0,
            inputs: Box::default(),
            outputs: Box::new([consumers.collect()]),
            control_outputs: control_outputs.into(),
            n_pending: 0,
            cheap: false,
        }
    }

    fn gains(steps: &[Step], micros: &[u64]) -> bool {
        let costs = Costs {
            n_runs: AtomicUsize::new(0),
            gains_from_threads: AtomicBool::new(true),
            heavy: steps.iter().map(|_| AtomicBool::new(true)).collect(),
        };
        let times: Vec<_> = micros.iter().map(|micros| Duration::from_micros(*micros)).collect();
        costs.learn(steps, &times);
        for (idx, micros) in micros.iter().enumerate() {
            assert_eq!(costs.is_heavy(idx), *micros >= 20);
        }
        costs.gains_from_threads()
    }

    #[test]
    fn heavy_steps_side_by_side_gain_from_threads() {
        let fork = [step(&[1, 2], &[]), step(&[3], &[]), step(&[3], &[]), step(&[], &[])];
        assert!(gains(&fork, &[1, 100, 100, 1]));
        assert!(!gains(&fork, &[1, 100, 1, 1]));
        assert!(!gains(&fork, &[1, 1, 1, 1]));
    }

    #[test]
    fn a_chain_gains_nothing_whether_of_data_or_of_control() {
        assert!(!gains(&[step(&[1], &[]), step(&[2], &[]), step(&[], &[])], &[100, 100, 100]));
        assert!(!gains(&[step(&[], &[1]), step(&[], &[])], &[100, 100]));
    }

    #[test]
    fn the_second_run_is_timed_and_some_of_the_later_ones() {
        let costs = Costs::new(&[]);
        let timed: Vec<_> = (0..600).filter(|_| costs.is_to_be_timed()).collect();
        assert_eq!(timed, [1, 257, 513]);
    }
}
