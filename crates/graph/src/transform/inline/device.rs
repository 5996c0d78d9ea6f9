//! Names of devices, put together from two.

use std::sync::Arc;

/// The device of a function's node in place of a call: its own, with what it leaves open from the
/// call's.
pub(super) fn merge(own: &str, call: &str) -> Arc<str> {
    if own.is_empty() {
        return call.into();
    }
    match (Spec::parse(own), Spec::parse(call)) {
        (Some(own), Some(call)) => own.or(call).print().into(),
        _ => own.into(),
    }
}

/// The parts of a device's name.
#[derive(Default)]
struct Spec<'a> {
    job: Option<&'a str>,
    replica: Option<&'a str>,
    task: Option<&'a str>,
    /// `CPU`, and its index, which may be `*`.
    device: Option<(String, &'a str)>,
}

impl<'a> Spec<'a> {
    fn parse(name: &'a str) -> Option<Spec<'a>> {
        let mut spec = Spec::default();
        for part in name.split('/').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once(':')?;
            match key {
                "job" => spec.job = Some(value),
                "replica" => spec.replica = Some(value),
                "task" => spec.task = Some(value),
                "device" => {
                    let (kind, index) = value.split_once(':').unwrap_or((value, "*"));
                    spec.device = Some((kind.to_owned(), index));
                }
                "cpu" | "gpu" | "CPU" | "GPU" => {
                    spec.device = Some((key.to_ascii_uppercase(), value));
                }
                _ => return None,
            }
        }
        Some(spec)
    }

    fn or(self, other: Spec<'a>) -> Spec<'a> {
        Spec {
            job: self.job.or(other.job),
            replica: self.replica.or(other.replica),
            task: self.task.or(other.task),
            device: self.device.or(other.device),
        }
    }

    fn print(&self) -> String {
        let parts = [("job", self.job), ("replica", self.replica), ("task", self.task)];
        let parts = parts.into_iter().filter_map(|(key, value)| Some(format!("/{key}:{}", value?)));
        let mut name: String = parts.collect();
        if let Some((kind, index)) = &self.device {
            name.push_str(&format!("/device:{kind}:{index}"));
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_leaves_open_is_the_call_s() {
        for (own, call, want) in [
            ("", "", ""),
            ("", "/job:a/device:GPU:0", "/job:a/device:GPU:0"),
            ("/device:CPU:1", "", "/device:CPU:1"),
            ("/cpu:1", "/job:a/task:2/device:GPU:0", "/job:a/task:2/device:CPU:1"),
            ("/job:b/device:CPU", "/job:a/replica:0", "/job:b/replica:0/device:CPU:*"),
            (
                "/job:b",
                "/job:a/replica:0/task:1/device:GPU:3",
                "/job:b/replica:0/task:1/device:GPU:3",
            ),
            ("what is this", "/job:a", "what is this"),
            ("/device:CPU:0", "odd", "/device:CPU:0"),
        ] {
            assert_eq!(&*merge(own, call), want, "{own} {call}");
        }
    }
}
