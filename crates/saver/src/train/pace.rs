use std::time::{Duration, Instant};

use super::TrainOptions;

/// When it is time to save.
#[derive(Debug)]
pub(super) struct Pace {
    /// `None` if nothing is ever saved.
    steps: Option<u64>,
    time: Option<Duration>,
    saves: bool,
    last_step: i64,
    last_time: Instant,
}

impl Pace {
    /// Counts from a step that needs no saving.
    pub(super) fn new(options: &TrainOptions, step: i64) -> Pace {
        Pace {
            steps: options.save_every_steps.filter(|n| *n > 0),
            time: options.save_every,
            saves: options.model_dir.is_some(),
            last_step: step,
            last_time: Instant::now(),
        }
    }

    /// Whether a step is to be saved at once.
    pub(super) fn is_due(&self, step: i64) -> bool {
        let by_steps = self.steps.is_some_and(|n| step.abs_diff(self.last_step) >= n);
        let by_time = self.time.is_some_and(|time| self.last_time.elapsed() >= time);
        self.is_behind(step) && (by_steps || by_time)
    }

    /// Whether a step is not the one that was saved last.
    pub(super) fn is_behind(&self, step: i64) -> bool {
        self.saves && step != self.last_step
    }

    /// Counts from a step that was saved just now.
    pub(super) fn saved(&mut self, step: i64) {
        self.last_step = step;
        self.last_time = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(options: TrainOptions, first: i64) -> Vec<i64> {
        let mut pace = Pace::new(&options, first);
        let mut saved = Vec::new();
        for step in first + 1..first + 8 {
            if pace.is_due(step) {
                pace.saved(step);
                saved.push(step);
            }
        }
        saved
    }

    #[test]
    fn saves_are_so_many_steps_apart() {
        let every = |n| TrainOptions {
            model_dir: Some("m".into()),
            save_every_steps: Some(n),
            ..TrainOptions::default()
        };
        assert_eq!(due(every(1), 0), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(due(every(3), 10), [13, 16]);
        assert_eq!(due(every(0), 0), []);
        assert_eq!(due(TrainOptions { model_dir: None, ..every(1) }, 0), []);
        let always = TrainOptions { save_every: Some(Duration::ZERO), ..every(0) };
        assert_eq!(due(always, -3), [-2, -1, 0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_was_saved_is_not_saved_again_at_the_end() {
        let options = TrainOptions { model_dir: Some("m".into()), ..TrainOptions::default() };
        let mut pace = Pace::new(&options, 5);
        assert!(!pace.is_behind(5));
        assert!(pace.is_behind(6) && !pace.is_due(6));
        pace.saved(6);
        assert!(!pace.is_behind(6));
    }
}
