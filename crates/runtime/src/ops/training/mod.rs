//! TensorFlow's training ops: one step of an optimizer, in place.

mod adagrad;
mod adaptive;
mod apply;
mod descent;
mod ftrl;
mod number;
mod rule;
mod scalars;
mod variables;

use apply::apply;

use crate::kernel::{OpRegistration, TypeConstraint, op};
use crate::ops::dispatch::{FLOATS, INDICES};

const DENSE: &[TypeConstraint] = &[("T", FLOATS)];
const SPARSE: &[TypeConstraint] = &[("T", FLOATS), ("Tindices", INDICES)];

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("ApplyAdaMax").types(DENSE).cpu(apply::<adaptive::AdaMax, 3, 5>),
    op("ApplyAdadelta").types(DENSE).cpu(apply::<adaptive::Adadelta, 3, 3>),
    op("ApplyAdagrad").types(DENSE).cpu(apply::<adagrad::Adagrad, 2, 1>),
    op("ApplyAdagradDA").types(DENSE).cpu(apply::<adagrad::AdagradDa, 3, 4>),
    op("ApplyAdagradV2").types(DENSE).cpu(apply::<adagrad::AdagradV2, 2, 2>),
    op("ApplyAdam").types(DENSE).cpu(apply::<adaptive::Adam, 3, 6>),
    op("ApplyAddSign").types(DENSE).cpu(apply::<descent::AddSign, 2, 4>),
    op("ApplyCenteredRMSProp").types(DENSE).cpu(apply::<adaptive::CenteredRmsProp, 4, 4>),
    op("ApplyFtrl").types(DENSE).cpu(apply::<ftrl::Ftrl, 3, 4>),
    op("ApplyFtrlV2").types(DENSE).cpu(apply::<ftrl::FtrlV2, 3, 5>),
    op("ApplyGradientDescent").types(DENSE).cpu(apply::<descent::GradientDescent, 1, 1>),
    op("ApplyMomentum").types(DENSE).cpu(apply::<descent::Momentum, 2, 2>),
    op("ApplyPowerSign").types(DENSE).cpu(apply::<descent::PowerSign, 2, 4>),
    op("ApplyProximalAdagrad").types(DENSE).cpu(apply::<adagrad::ProximalAdagrad, 2, 3>),
    op("ApplyProximalGradientDescent")
        .types(DENSE)
        .cpu(apply::<descent::ProximalGradientDescent, 1, 3>),
    op("ApplyRMSProp").types(DENSE).cpu(apply::<adaptive::RmsProp, 3, 4>),
    op("ResourceApplyAdaMax").types(DENSE).cpu(apply::<adaptive::AdaMax, 3, 5>),
    op("ResourceApplyAdadelta").types(DENSE).cpu(apply::<adaptive::Adadelta, 3, 3>),
    op("ResourceApplyAdagrad").types(DENSE).cpu(apply::<adagrad::Adagrad, 2, 1>),
    op("ResourceApplyAdagradDA").types(DENSE).cpu(apply::<adagrad::AdagradDa, 3, 4>),
    op("ResourceApplyAdagradV2").types(DENSE).cpu(apply::<adagrad::AdagradV2, 2, 2>),
    op("ResourceApplyAdam").types(DENSE).cpu(apply::<adaptive::Adam, 3, 6>),
    op("ResourceApplyAdamWithAmsgrad").types(DENSE).cpu(apply::<adaptive::AdamWithAmsgrad, 4, 6>),
    op("ResourceApplyAddSign").types(DENSE).cpu(apply::<descent::AddSign, 2, 4>),
    op("ResourceApplyCenteredRMSProp").types(DENSE).cpu(apply::<adaptive::CenteredRmsProp, 4, 4>),
    op("ResourceApplyFtrl").types(DENSE).cpu(apply::<ftrl::Ftrl, 3, 4>),
    op("ResourceApplyFtrlV2").types(DENSE).cpu(apply::<ftrl::FtrlV2, 3, 5>),
    op("ResourceApplyGradientDescent").types(DENSE).cpu(apply::<descent::GradientDescent, 1, 1>),
    op("ResourceApplyKerasMomentum").types(DENSE).cpu(apply::<descent::KerasMomentum, 2, 2>),
    op("ResourceApplyMomentum").types(DENSE).cpu(apply::<descent::Momentum, 2, 2>),
    op("ResourceApplyPowerSign").types(DENSE).cpu(apply::<descent::PowerSign, 2, 4>),
    op("ResourceApplyProximalAdagrad").types(DENSE).cpu(apply::<adagrad::ProximalAdagrad, 2, 3>),
    op("ResourceApplyProximalGradientDescent")
        .types(DENSE)
        .cpu(apply::<descent::ProximalGradientDescent, 1, 3>),
    op("ResourceApplyRMSProp").types(DENSE).cpu(apply::<adaptive::RmsProp, 3, 4>),
    op("ResourceSparseApplyAdadelta").types(SPARSE).cpu(apply::<adaptive::Adadelta, 3, 3>),
    op("ResourceSparseApplyAdagrad").types(SPARSE).cpu(apply::<adagrad::Adagrad, 2, 1>),
    op("ResourceSparseApplyAdagradDA").types(SPARSE).cpu(apply::<adagrad::AdagradDa, 3, 4>),
    op("ResourceSparseApplyAdagradV2").types(SPARSE).cpu(apply::<adagrad::AdagradV2, 2, 2>),
    op("ResourceSparseApplyCenteredRMSProp")
        .types(SPARSE)
        .cpu(apply::<adaptive::CenteredRmsProp, 4, 4>),
    op("ResourceSparseApplyFtrl").types(SPARSE).cpu(apply::<ftrl::Ftrl, 3, 4>),
    op("ResourceSparseApplyFtrlV2").types(SPARSE).cpu(apply::<ftrl::FtrlV2, 3, 5>),
    op("ResourceSparseApplyKerasMomentum").types(SPARSE).cpu(apply::<descent::KerasMomentum, 2, 2>),
    op("ResourceSparseApplyMomentum").types(SPARSE).cpu(apply::<descent::Momentum, 2, 2>),
    op("ResourceSparseApplyProximalAdagrad")
        .types(SPARSE)
        .cpu(apply::<adagrad::ProximalAdagrad, 2, 3>),
    op("ResourceSparseApplyProximalGradientDescent")
        .types(SPARSE)
        .cpu(apply::<descent::ProximalGradientDescent, 1, 3>),
    op("ResourceSparseApplyRMSProp").types(SPARSE).cpu(apply::<adaptive::RmsProp, 3, 4>),
    op("SparseApplyAdadelta").types(SPARSE).cpu(apply::<adaptive::Adadelta, 3, 3>),
    op("SparseApplyAdagrad").types(SPARSE).cpu(apply::<adagrad::Adagrad, 2, 1>),
    op("SparseApplyAdagradDA").types(SPARSE).cpu(apply::<adagrad::AdagradDa, 3, 4>),
    op("SparseApplyAdagradV2").types(SPARSE).cpu(apply::<adagrad::AdagradV2, 2, 2>),
    op("SparseApplyCenteredRMSProp").types(SPARSE).cpu(apply::<adaptive::CenteredRmsProp, 4, 4>),
    op("SparseApplyFtrl").types(SPARSE).cpu(apply::<ftrl::Ftrl, 3, 4>),
    op("SparseApplyFtrlV2").types(SPARSE).cpu(apply::<ftrl::FtrlV2, 3, 5>),
    op("SparseApplyMomentum").types(SPARSE).cpu(apply::<descent::Momentum, 2, 2>),
    op("SparseApplyProximalAdagrad").types(SPARSE).cpu(apply::<adagrad::ProximalAdagrad, 2, 3>),
    op("SparseApplyProximalGradientDescent")
        .types(SPARSE)
        .cpu(apply::<descent::ProximalGradientDescent, 1, 3>),
    op("SparseApplyRMSProp").types(SPARSE).cpu(apply::<adaptive::RmsProp, 3, 4>),
];
