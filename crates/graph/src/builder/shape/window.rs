//! Windows over images: convolution and pooling.

use flowkeep_tensor::PartialShape;

use super::InferenceContext;
use super::builtin::ShapeFn;
use super::dims::{Dim, merge_dim, multiply, with_rank};
use super::nn::channels_first;

pub(super) const OPS: &[(&str, ShapeFn)] = &[
    ("AvgPool", avg_pool),
    ("Conv2D", conv2d),
    ("DepthwiseConv2dNative", depthwise_conv2d),
    ("ExtractImagePatches", extract_image_patches),
    ("MaxPool", max_pool),
    ("MaxPoolWithArgmax", max_pool_with_argmax),
];

/// How a window moves along one side of an image.
struct Side {
    size: Dim,
    window: Dim,
    stride: i64,
    dilation: i64,
    /// Elements added before and behind; `None` for as many as keep the size.
    padding: Option<[i64; 2]>,
}

impl Side {
    /// How many places the window has.
    fn output(&self) -> Result<Dim, String> {
        let Ok(stride) = u64::try_from(self.stride) else {
            return Err(format!("Stride must be > 0, but got {}", self.stride));
        };
        if stride == 0 {
            return Err("Stride must be > 0, but got 0".to_owned());
        }
        let dilation = u64::try_from(self.dilation).unwrap_or(0);
        if dilation == 0 {
            return Err(format!("Dilation rate must be >= 1, but got {}", self.dilation));
        }
        let Some(size) = self.size else { return Ok(None) };
        let Some(padding) = self.padding else { return Ok(Some(size.div_ceil(stride))) };
        let added = padding.iter().map(|n| n.unsigned_abs());
        let size = added.fold(size, u64::saturating_add);
        let Some(window) = self.window else { return Ok(None) };
        let reach = match dilation {
            1 => window,
            _ => subtract(window, 1)?.saturating_mul(dilation).saturating_add(1),
        };
        let left = subtract(size, reach)?;
        Ok(Some(left / stride + 1))
    }
}

fn subtract(a: u64, b: u64) -> Result<u64, String> {
    a.checked_sub(b)
        .ok_or_else(|| format!("Negative dimension size caused by subtracting {b} from {a}"))
}

/// The attributes that windows over images have in common.
struct Windows {
    /// Where batch, rows, columns and channels are.
    places: [usize; 4],
    strides: Vec<i64>,
    dilations: Vec<i64>,
    is_valid: bool,
    explicit: Vec<i64>,
}

impl Windows {
    fn of(cx: &InferenceContext<'_>) -> Windows {
        let ints = |name| cx.attrs().ints(name).unwrap_or_default().to_vec();
        Windows {
            places: if channels_first(cx) { [0, 2, 3, 1] } else { [0, 1, 2, 3] },
            strides: ints("strides"),
            dilations: ints("dilations"),
            is_valid: cx.attrs().str("padding").is_ok_and(|padding| &**padding != b"SAME"),
            explicit: ints("explicit_paddings"),
        }
    }

    /// The side at one place of the dimensions, which the window spans with `window` elements.
    fn side(&self, dims: &[Dim], place: usize, window: Dim) -> Side {
        let entry = |list: &[i64]| list.get(place).copied();
        let padding = self.explicit.chunks_exact(2).nth(place).and_then(|pair| pair.first_chunk());
        Side {
            size: dims.get(place).copied().flatten(),
            window,
            stride: entry(&self.strides).unwrap_or(1),
            dilation: entry(&self.dilations).unwrap_or(1),
            padding: self.is_valid.then(|| padding.copied().unwrap_or_default()),
        }
    }

    /// A shape in the order of the data format.
    fn shape(&self, [batch, rows, columns, channels]: [Dim; 4]) -> PartialShape {
        let mut dims = vec![None; 4];
        for (place, dim) in self.places.into_iter().zip([batch, rows, columns, channels]) {
            if let Some(entry) = dims.get_mut(place) {
                *entry = dim;
            }
        }
        PartialShape::new(dims)
    }
}

fn four(dims: Vec<Dim>) -> [Dim; 4] {
    dims.first_chunk().copied().unwrap_or_default()
}

fn conv2d(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let windows = Windows::of(cx);
    let dims = with_rank(cx.input(0), 4)?;
    let [filter_rows, filter_columns, filter_depth, out_depth] = four(with_rank(cx.input(1), 4)?);
    if windows.dilations.len() != 4 {
        return Err(format!(
            "Conv2D requires the dilation attribute to contain 4 values, but got: {}",
            windows.dilations.len()
        ));
    }
    if windows.strides.len() != 4 {
        return Err(format!(
            "Conv2D on data format {} requires the stride attribute to contain 4 values, but got: {}",
            if channels_first(cx) { "NCHW" } else { "NHWC" },
            windows.strides.len()
        ));
    }
    let [batch, rows, columns, channels] = windows.places;
    let depth = dims.get(channels).copied().flatten();
    if let (Some(depth), Some(filter_depth)) = (depth, filter_depth) {
        if filter_depth == 0 {
            return Err("Depth of filter must not be 0".to_owned());
        }
        if depth % filter_depth != 0 {
            return Err(format!(
                "Depth of input ({depth}) is not a multiple of input depth of filter ({filter_depth})"
            ));
        }
        let n_groups = depth / filter_depth;
        if let Some(out_depth) = out_depth {
            if n_groups == 0 {
                return Err("Number of groups must not be 0".to_owned());
            }
            if out_depth % n_groups != 0 {
                return Err(format!(
                    "Depth of output ({out_depth}) is not a multiple of the number of groups ({n_groups})"
                ));
            }
        }
    }
    let shape = windows.shape([
        dims.get(batch).copied().flatten(),
        windows.side(&dims, rows, filter_rows).output()?,
        windows.side(&dims, columns, filter_columns).output()?,
        out_depth,
    ]);
    cx.set_output(0, shape);
    Ok(())
}

fn depthwise_conv2d(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let windows = Windows::of(cx);
    let dims = with_rank(cx.input(0), 4)?;
    let [filter_rows, filter_columns, filter_depth, multiplier] = four(with_rank(cx.input(1), 4)?);
    if windows.strides.len() != 4 {
        return Err(format!(
            "DepthwiseConv2D requires the stride attribute to contain 4 values, but got: {}",
            windows.strides.len()
        ));
    }
    let [batch, rows, columns, channels] = windows.places;
    let depth = merge_dim(dims.get(channels).copied().flatten(), filter_depth)?;
    let shape = windows.shape([
        dims.get(batch).copied().flatten(),
        windows.side(&dims, rows, filter_rows).output()?,
        windows.side(&dims, columns, filter_columns).output()?,
        multiply(depth, multiplier),
    ]);
    cx.set_output(0, shape);
    Ok(())
}

/// Windows side by side, as the channels of an image.
fn extract_image_patches(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    let [batch, rows, columns, channels] = four(with_rank(cx.input(0), 4)?);
    let attrs = cx.attrs();
    let keeps_size = attrs.str("padding").is_ok_and(|padding| padding == "SAME");
    let at = |name: &str, place: usize| attrs.ints(name).ok().and_then(|n| n.get(place).copied());
    let window = |place| at("ksizes", place).and_then(|size| u64::try_from(size).ok());
    let side = |size: Dim, place: usize| {
        Side {
            size,
            window: window(place),
            stride: at("strides", place).unwrap_or(0),
            dilation: at("rates", place).unwrap_or(0),
            padding: (!keeps_size).then_some([0, 0]),
        }
        .output()
    };
    let depth = multiply(multiply(channels, window(1)), window(2));
    let (rows, columns) = (side(rows, 1)?, side(columns, 2)?);
    cx.set_output(0, PartialShape::new(vec![batch, rows, columns, depth]));
    Ok(())
}

fn avg_pool(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    pool(cx, "AvgPool")
}

fn max_pool_with_argmax(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    max_pool(cx)?;
    let shape = cx.output(0).clone();
    cx.set_output(1, shape);
    Ok(())
}

fn max_pool(cx: &mut InferenceContext<'_>) -> Result<(), String> {
    pool(cx, "MaxPool")
}

fn pool(cx: &mut InferenceContext<'_>, op: &str) -> Result<(), String> {
    let windows = Windows::of(cx);
    let dims = with_rank(cx.input(0), 4)?;
    let ksize = cx.attrs().ints("ksize").unwrap_or_default();
    for (name, list) in [("stride", &windows.strides[..]), ("ksize", ksize)] {
        if list.len() != 4 {
            return Err(format!(
                "{op} requires the {name} attribute to contain 4 values, but got: {}",
                list.len()
            ));
        }
    }
    let window = |place: usize| ksize.get(place).and_then(|size| u64::try_from(*size).ok());
    let output = |place| windows.side(&dims, place, window(place)).output();
    let [batch, rows, columns, channels] = windows.places;
    let shape = windows.shape([
        dims.get(batch).copied().flatten(),
        output(rows)?,
        output(columns)?,
        if op == "MaxPool" { output(channels)? } else { dims.get(channels).copied().flatten() },
    ]);
    cx.set_output(0, shape);
    Ok(())
}
