use std::fmt;
use std::str::FromStr;

use crate::Error;

/// The types of devices that may be named without `device:`.
const SHORT_TYPES: [&str; 5] = ["CPU", "GPU", "TPU", "CUSTOM", "EPU"];

/// A device, perhaps partly: `/job:worker/replica:0/task:1/device:GPU:0`, any part of which may be
/// absent.
///
/// ```
/// use flowkeep_graph::builder::DeviceSpec;
///
/// let outer: DeviceSpec = "/job:ps/cpu:0".parse()?;
/// let inner: DeviceSpec = "/gpu".parse()?;
/// assert_eq!(inner.within(&outer).to_string(), "/job:ps/device:GPU:0");
/// assert_eq!(inner.to_string(), "/device:GPU:*");
/// # Ok::<(), flowkeep_graph::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeviceSpec {
    /// The job.
    pub job: Option<String>,
    /// The replica within the job.
    pub replica: Option<i64>,
    /// The task within the replica.
    pub task: Option<i64>,
    /// The type of the device, such as `CPU`.
    pub device_type: Option<String>,
    /// Which device of the type; any when it is absent.
    pub device_index: Option<i64>,
}

impl DeviceSpec {
    /// This device with the parts of `outer` that it leaves open.
    pub fn within(&self, outer: &DeviceSpec) -> DeviceSpec {
        DeviceSpec {
            job: self.job.clone().or_else(|| outer.job.clone()),
            replica: self.replica.or(outer.replica),
            task: self.task.or(outer.task),
            device_type: self.device_type.clone().or_else(|| outer.device_type.clone()),
            device_index: self.device_index.or(outer.device_index),
        }
    }

    /// Whether no device is asked for: an index alone asks for none.
    pub fn is_empty(&self) -> bool {
        self.job.is_none()
            && self.replica.is_none()
            && self.task.is_none()
            && self.device_type.is_none()
    }
}

impl FromStr for DeviceSpec {
    type Err = Error;

    /// Parses a device: parts such as `job:ps`, `task:1`, `device:XPU:0`, `cpu:0` and `GPU`, parted by
    /// slashes.
    ///
    /// Errors: `INVALID_ARGUMENT`, with TensorFlow's texts.
    fn from_str(text: &str) -> Result<DeviceSpec, Error> {
        let mut spec = DeviceSpec::default();
        for part in text.split('/') {
            let pieces: Vec<&str> = part.split(':').collect();
            match *pieces {
                ["job", job] => spec.job = Some(job.to_owned()),
                ["replica", index] => spec.replica = Some(parse_index(index)?),
                ["task", index] => spec.task = Some(parse_index(index)?),
                [name] if is_short_type(name) => {
                    spec.set_device(text, name.to_ascii_uppercase(), "*")?;
                }
                [name, index] if is_short_type(name) => {
                    spec.set_device(text, name.to_ascii_uppercase(), index)?;
                }
                ["device", name @ ("cpu" | "gpu"), index] => {
                    spec.set_device(text, name.to_ascii_uppercase(), index)?;
                }
                ["device", name, index] => spec.set_device(text, name.to_owned(), index)?,
                ["", ..] => {}
                [name, ..] => {
                    return Err(Error::Device(format!(
                        "Unknown attribute '{name}' is encountered while parsing the device spec: '{text}'."
                    )));
                }
                [] => {}
            }
        }
        Ok(spec)
    }
}

impl DeviceSpec {
    fn set_device(&mut self, text: &str, device_type: String, index: &str) -> Result<(), Error> {
        if self.device_type.is_some() {
            return Err(Error::Device(format!(
                "Multiple device types are not allowed while parsing the device spec: {text}."
            )));
        }
        self.device_type = Some(device_type);
        if index != "*" {
            self.device_index = Some(parse_index(index)?);
        }
        Ok(())
    }
}

/// The canonical form.
impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(job) = &self.job {
            write!(f, "/job:{job}")?;
        }
        if let Some(replica) = self.replica {
            write!(f, "/replica:{replica}")?;
        }
        if let Some(task) = self.task {
            write!(f, "/task:{task}")?;
        }
        match (&self.device_type, self.device_index) {
            (None, _) => Ok(()),
            (Some(device_type), None) => write!(f, "/device:{device_type}:*"),
            (Some(device_type), Some(index)) => write!(f, "/device:{device_type}:{index}"),
        }
    }
}

fn is_short_type(name: &str) -> bool {
    SHORT_TYPES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn parse_index(text: &str) -> Result<i64, Error> {
    text.trim()
        .parse()
        .map_err(|_| Error::Device(format!("invalid literal for int() with base 10: '{text}'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_print_in_their_canonical_form() {
        for (text, canonical) in [
            ("", ""),
            ("/cpu:0", "/device:CPU:0"),
            ("cpu:0", "/device:CPU:0"),
            ("/gpu", "/device:GPU:*"),
            ("/GPU:*", "/device:GPU:*"),
            ("/device:gpu:3", "/device:GPU:3"),
            ("/device:Gpu:3", "/device:Gpu:3"),
            ("/device:XPU:3", "/device:XPU:3"),
            ("/task:01/job:w/cpu:0/replica:2", "/job:w/replica:2/task:1/device:CPU:0"),
            ("/:5/", ""),
        ] {
            let spec: DeviceSpec = text.parse().unwrap();
            assert_eq!(spec.to_string(), canonical, "{text}");
            assert_eq!(spec.is_empty(), canonical.is_empty());
        }
    }

    #[test]
    fn what_is_no_device_is_refused() {
        for (text, error) in [
            (
                "/foo:1",
                "Unknown attribute 'foo' is encountered while parsing the device spec: '/foo:1'.",
            ),
            (
                "/xpu:1",
                "Unknown attribute 'xpu' is encountered while parsing the device spec: '/xpu:1'.",
            ),
            (
                "/device:GPU",
                "Unknown attribute 'device' is encountered while parsing the device spec: '/device:GPU'.",
            ),
            (
                "/job:a:b",
                "Unknown attribute 'job' is encountered while parsing the device spec: '/job:a:b'.",
            ),
            (
                "/cpu:0/gpu:1",
                "Multiple device types are not allowed while parsing the device spec: /cpu:0/gpu:1.",
            ),
            ("/task:x", "invalid literal for int() with base 10: 'x'"),
            ("/cpu:", "invalid literal for int() with base 10: ''"),
        ] {
            assert_eq!(text.parse::<DeviceSpec>().unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn inner_parts_win_one_by_one() {
        let merge = |inner: &str, outer: &str| {
            let outer = outer.parse().unwrap();
            inner.parse::<DeviceSpec>().unwrap().within(&outer).to_string()
        };
        assert_eq!(merge("/gpu:1", "/job:ps/cpu:0"), "/job:ps/device:GPU:1");
        assert_eq!(merge("/job:worker", "/job:ps/task:2/cpu:0"), "/job:worker/task:2/device:CPU:0");
        assert_eq!(merge("/gpu", "/cpu:3"), "/device:GPU:3");
    }
}
