//! `m(r)` of one read, computed part by part when it is first needed: bounds from below decide most pairs.

use super::likelihood::Seen;
use super::model::Model;

/// The marginal of one read under one model. All calls have to name the same read and model.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Marginal {
    right: Option<f64>,
    garbled: Option<f64>,
    near: Option<f64>,
}

impl Marginal {
    /// A bound from below: the read is right.
    pub(crate) fn right(&mut self, model: &Model, seen: Seen<'_>) -> f64 {
        *self.right.get_or_insert_with(|| model.marginal_right(seen))
    }

    /// A bound from below: the read is right, or has more than one error.
    pub(crate) fn least(&mut self, model: &Model, seen: Seen<'_>) -> f64 {
        self.right(model, seen) + self.garbled(model, seen)
    }

    /// m(r): how likely this read is of any vehicle.
    pub(crate) fn whole(&mut self, model: &Model, seen: Seen<'_>) -> f64 {
        *self.near.get_or_insert_with(|| model.marginal_near(seen)) + self.garbled(model, seen)
    }

    fn garbled(&mut self, model: &Model, seen: Seen<'_>) -> f64 {
        *self.garbled.get_or_insert_with(|| model.marginal_garbled(seen))
    }
}
