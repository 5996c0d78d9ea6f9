/// How the values of a step travel, and what becomes of it when an input is dead.
///
/// A tensor is dead when it comes from the side of a `Switch` that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Values stay in their frame and iteration; a dead input makes the step, and all that comes of
    /// it, dead.
    Plain,
    /// As [`Route::Plain`], but outputs that the kernel leaves unset are dead.
    Switch,
    /// The step runs on the first data input that is not dead; it is dead when all are.
    Merge,
    /// Values go to the first iteration of this frame, or to all of its iterations.
    Enter { frame: usize, is_constant: bool },
    /// Values go to the iteration that the frame was entered from.
    Exit,
    /// Values go to the next iteration; a dead one ends there.
    NextIteration,
    /// The step is never dead.
    Trigger,
}

impl Route {
    /// The route of an op; the frame of an `Enter` is not known yet.
    pub(super) fn of(op: &str) -> Route {
        match op {
            "Switch" | "RefSwitch" | "_SwitchN" => Route::Switch,
            "Merge" | "RefMerge" => Route::Merge,
            "Enter" | "RefEnter" => Route::Enter { frame: 0, is_constant: false },
            "Exit" | "RefExit" => Route::Exit,
            "NextIteration" | "RefNextIteration" => Route::NextIteration,
            "ControlTrigger" => Route::Trigger,
            _ => Route::Plain,
        }
    }

    /// Whether the values come from outside of the loop that they go to.
    pub(crate) fn is_enter(self) -> bool {
        matches!(self, Route::Enter { .. })
    }
}
