use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::{NodeId, Output, PortType};
use flowkeep_tensor::DType;

/// A slice of its own that needs no memory elsewhere while it has at most `N` elements.
#[derive(Clone)]
pub(crate) struct Few<T, const N: usize>(Place<T, N>);

#[derive(Clone)]
enum Place<T, const N: usize> {
    /// The first of these are the elements.
    Here(u8, [T; N]),
    Elsewhere(Box<[T]>),
}

/// Something that stands where no element is.
pub(crate) trait Filler: Copy {
    const FILLER: Self;
}

impl Filler for PortType {
    const FILLER: PortType = PortType { dtype: DType::F32, is_ref: false };
}

impl Filler for Output {
    const FILLER: Output = Output { node: NodeId(0), index: 0 };
}

impl<T: Filler, const N: usize> Few<T, N> {
    /// `n` times the same, behind those that are there.
    pub(crate) fn push(&mut self, value: T, n: usize) {
        let len = self.len();
        if let Place::Here(here, values) = &mut self.0
            && let Some(places) = values.get_mut(len..).and_then(|rest| rest.get_mut(..n))
        {
            places.fill(value);
            *here = u8::try_from(len + n).unwrap_or(*here);
            return;
        }
        let mut values = std::mem::take(self).into_vec();
        values.resize(len + n, value);
        self.0 = Place::Elsewhere(values.into());
    }

    /// Those that are there, and more.
    pub(crate) fn extend(&mut self, more: impl ExactSizeIterator<Item = T>) {
        if let Place::Here(..) = &self.0
            && self.len() + more.len() <= N
        {
            more.for_each(|value| self.push(value, 1));
            return;
        }
        let mut values = std::mem::take(self).into_vec();
        values.extend(more);
        self.0 = Place::Elsewhere(values.into());
    }

    fn into_vec(self) -> Vec<T> {
        match self.0 {
            Place::Here(..) => self.to_vec(),
            Place::Elsewhere(values) => values.into_vec(),
        }
    }
}

impl<T: Filler, const N: usize> Default for Few<T, N> {
    fn default() -> Few<T, N> {
        Few(Place::Here(0, [T::FILLER; N]))
    }
}

impl<T, const N: usize> Deref for Few<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Place::Here(len, values) => values.get(..usize::from(*len)).unwrap_or(values),
            Place::Elsewhere(values) => values,
        }
    }
}

impl<T, const N: usize> DerefMut for Few<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Place::Here(len, values) => {
                let len = usize::from(*len).min(N);
                values.split_at_mut(len).0
            }
            Place::Elsewhere(values) => values,
        }
    }
}

impl<T: Filler, const N: usize> From<&[T]> for Few<T, N> {
    fn from(values: &[T]) -> Few<T, N> {
        values.iter().copied().collect()
    }
}

impl<T: Filler, const N: usize> FromIterator<T> for Few<T, N> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Few<T, N> {
        let mut values = values.into_iter();
        let mut few = Few::default();
        values.by_ref().take(N).for_each(|value| few.push(value, 1));
        match values.next() {
            None => few,
            Some(next) => {
                let here = few.iter().copied();
                let all: Vec<T> = here.chain([next]).chain(values).collect();
                Few(Place::Elsewhere(all.into()))
            }
        }
    }
}

impl<T: fmt::Debug, const N: usize> fmt::Debug for Few<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: PartialEq, const N: usize> PartialEq for Few<T, N> {
    fn eq(&self, other: &Few<T, N>) -> bool {
        **self == **other
    }
}

impl<T: Eq, const N: usize> Eq for Few<T, N> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(index: u32) -> Output {
        Output { node: NodeId(7), index }
    }

    #[test]
    fn elements_are_the_same_wherever_they_are() {
        for n in 0..6 {
            let values: Vec<Output> = (0..n).map(output).collect();
            let mut few: Few<Output, 2> = Few::from(&values[..]);
            assert_eq!(*few, *values);
            assert_eq!(matches!(few.0, Place::Here(..)), n <= 2);
            few.push(output(9), 1);
            few.push(output(8), 0);
            few.extend([output(5), output(4)].into_iter());
            let all: Vec<Output> =
                values.iter().copied().chain([output(9), output(5), output(4)]).collect();
            assert_eq!(*few, *all);
            few[0] = output(1);
            assert_eq!(few[0], output(1));
        }
    }

    #[test]
    fn equality_does_not_see_what_is_behind_the_end() {
        let mut one: Few<Output, 2> = Few::default();
        one.push(output(1), 2);
        let mut other = one.clone();
        one.push(output(3), 1);
        assert_ne!(one, other);
        other.push(output(3), 1);
        assert_eq!(one, other);
    }
}
