//! The model record: all that a decision rests on besides the reads, as evidence of its own.
//!
//! `{id, lot, valid_from, digest, tables, tau}`: of the records of a lot the newest with `valid_from` at or before the
//! exit applies, of two the greater id. The tables are integers, so the digest is the same on every machine; known
//! plates stand beside them and outside the digest, so that erasing one leaves it alone.

use std::collections::BTreeMap;

use parking::{GateId, LotId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::certainty::{CertaintyCounts, CertaintyRates, CertaintyTable};
use super::channel::Channel;
use super::gaps::GapTable;
use super::garbled::Garbled;
use super::number::Nats;
use super::plates::{KnownPlate, PlateKey, PlateTable, Prior};
use super::rates::{Matrix, Rates, START_KINDS, START_OVER_DISPERSION};
use super::shapes::Shapes;
use super::stays::{StayTable, Stays};

/// The rule that these formulas are.
pub const RULE: &str = "misread-1";
/// The least posterior at which a pair stands, in ten thousandths.
pub const TAU_START: u16 = 8_000;
/// Share of lost exits, and of exits without an entry, at the start.
const START_LOST: [f64; 2] = [0.05, 0.1];

/// A model of one lot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// Derived from lot, time and digest.
    pub id: Uuid,
    /// The lot.
    pub lot: LotId,
    /// Exits from here on are decided by it.
    pub valid_from: Timestamp,
    /// Fingerprint of tables and tau.
    pub digest: u128,
    /// What was learned, without plates.
    pub tables: Tables,
    /// The least posterior at which a pair stands, in ten thousandths; above one half.
    pub tau: u16,
    /// The plates that were seen, by hash.
    pub plates: Vec<KnownPlate>,
}

/// What a model has learned, in integers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tables {
    /// Any camera.
    pub camera: Matrix,
    /// Cameras with a matrix of their own.
    pub cameras: BTreeMap<GateId, Matrix>,
    /// How much likelier a second error is once there is one.
    pub over_dispersion: Nats,
    /// What a camera's own certainty is worth.
    pub certainty: CertaintyTable,
    /// Shapes and numbers of plates.
    pub plates: PlateTable,
    /// Stays and passages.
    pub stays: StayTable,
    /// l, the share of stays whose exit was not seen.
    pub lost_exits: Nats,
    /// nu, the share of exits whose entry was not seen.
    pub lone_exits: Nats,
    /// Passages read twice, and how far apart.
    pub gaps: GapTable,
}

impl Tables {
    /// The built-in start: published look-alikes, flat priors, no plates.
    pub fn start() -> Self {
        Self {
            camera: Matrix::of(&Rates::start(&START_KINDS)),
            cameras: BTreeMap::new(),
            over_dispersion: Nats::of(START_OVER_DISPERSION),
            certainty: CertaintyCounts::default().table(),
            plates: super::plates::learn(&BTreeMap::new(), &PlateKey::default()).0,
            stays: StayTable::default(),
            lost_exits: Nats::of(START_LOST[0]),
            lone_exits: Nats::of(START_LOST[1]),
            gaps: GapTable::default(),
        }
    }

    fn digest(&self, tau: u16) -> u128 {
        let mut hasher = Xxh3::new();
        let mut put = |number: i64| hasher.update(&number.to_be_bytes());
        let matrices = std::iter::once(&self.camera).chain(self.cameras.values());
        for matrix in matrices {
            let single = [matrix.inserted, matrix.cut[0], matrix.cut[1]];
            matrix.replaced.iter().chain(&matrix.deleted).chain(&single).for_each(|nats| put(nats.0.into()));
        }
        for gate in self.cameras.keys() {
            let [high, low] = [64, 0].map(|shift| xxh3_128(gate.as_str().as_bytes()) >> shift);
            for part in [high, low] {
                put(i64::from_ne_bytes(u64::try_from(part & u128::from(u64::MAX)).unwrap_or_default().to_ne_bytes()));
            }
        }
        let CertaintyTable { letters, whole, hit, false_hit } = &self.certainty;
        letters.iter().chain(whole).chain([hit, false_hit]).for_each(|nats| put(nats.0.into()));
        let PlateTable { visits, plates, discount, fleets, shapes } = &self.plates;
        for count in [*visits, *plates] {
            put(count.into());
        }
        for shape in shapes {
            put(i64::from_ne_bytes(shape.key.to_ne_bytes()));
            put(shape.plates.into());
            for (place, before, code, count) in &shape.bigrams {
                put(i64::from(*place) << 48 | i64::from(*before) << 40 | i64::from(*code) << 32 | i64::from(*count));
            }
        }
        self.stays.stays.iter().chain(self.stays.passages.iter().flatten()).for_each(|count| put((*count).into()));
        put(self.stays.seconds.into());
        let single =
            [self.over_dispersion, *discount, fleets[0], fleets[1], self.lost_exits, self.lone_exits, self.gaps.share];
        single.iter().chain(&self.gaps.bins).for_each(|nats| put(nats.0.into()));
        put(tau.into());
        hasher.digest128()
    }
}

impl ModelRecord {
    /// A record of what was learned.
    pub fn new(lot: LotId, valid_from: Timestamp, tables: Tables, tau: u16, plates: Vec<KnownPlate>) -> Self {
        let tau = tau.clamp(5_001, 10_000);
        let digest = tables.digest(tau);
        let mut identity = digest.to_be_bytes().to_vec();
        identity.extend(valid_from.as_millis().to_be_bytes());
        identity.extend(lot.as_str().as_bytes());
        let id = uuid::Builder::from_custom_bytes(xxh3_128(&identity).to_be_bytes()).into_uuid();
        Self { id, lot, valid_from, digest, tables, tau, plates }
    }

    /// The model of a lot that has none: it is valid from the beginning of time.
    pub fn start(lot: LotId) -> Self {
        Self::new(lot, Timestamp::from_millis(i64::MIN), Tables::start(), TAU_START, Vec::new())
    }
}

/// A model, ready to decide.
#[derive(Debug, Clone)]
pub struct Model {
    pub(crate) id: Uuid,
    pub(crate) valid_from: Timestamp,
    pub(crate) tau: u16,
    pub(crate) camera: Channel,
    pub(crate) cameras: BTreeMap<GateId, Channel>,
    pub(crate) garbled: Garbled,
    pub(crate) certainty: CertaintyRates,
    pub(crate) prior: Prior,
    pub(crate) stays: Stays,
    pub(crate) lost_exits: f64,
    pub(crate) lone_exits: f64,
    /// The time in which plates were counted, seconds.
    pub(crate) seconds: f64,
    pub(crate) gaps: GapTable,
}

impl Model {
    /// Makes a record ready. The key is the ledger's, under which its plates are hashed.
    pub fn new(record: &ModelRecord, key: PlateKey) -> Self {
        let tables = &record.tables;
        let channel = |matrix: &Matrix| Channel::new(matrix, tables.over_dispersion);
        let camera = channel(&tables.camera);
        Self {
            id: record.id,
            valid_from: record.valid_from,
            tau: record.tau,
            garbled: camera.garbled(&Shapes::unigrams(&tables.plates.shapes)),
            camera,
            cameras: tables.cameras.iter().map(|(gate, matrix)| (gate.clone(), channel(matrix))).collect(),
            certainty: CertaintyRates::new(&tables.certainty),
            prior: Prior::new(&tables.plates, &record.plates, key),
            stays: Stays::new(&tables.stays),
            lost_exits: tables.lost_exits.value(),
            lone_exits: tables.lone_exits.value(),
            seconds: f64::from(tables.stays.seconds).max(1.0),
            gaps: tables.gaps.clone(),
        }
    }
}

/// The models of one lot, the newest last; of two of one time the greater id.
#[derive(Debug, Clone)]
pub struct Models(Vec<Model>);

impl Models {
    /// The models made of `records`, in any order, and the start where they have a gap.
    pub fn new(lot: &LotId, records: &[ModelRecord], key: PlateKey) -> Self {
        let start = ModelRecord::start(lot.clone());
        let own = records.iter().filter(|record| record.lot == *lot).chain([&start]);
        let mut models: Vec<Model> = own.map(|record| Model::new(record, key)).collect();
        models.sort_by_key(|model| (model.valid_from, model.id));
        Self(models)
    }

    /// All of them.
    pub fn all(&self) -> &[Model] {
        &self.0
    }

    /// The place of the model that applies to an exit of that time.
    pub(crate) fn at(&self, exit: Timestamp) -> usize {
        self.0.partition_point(|model| model.valid_from <= exit).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_tables_never_change_from_release_to_release_or_machine_to_machine() {
        let start = ModelRecord::start(LotId::default());
        assert_eq!(format!("{:032x}", start.digest), "8a84e25661222c8848f9e1e813a3a580");
    }

    #[test]
    fn the_newest_model_before_the_exit_applies() {
        let at = |millis: i64, tau: u16| {
            ModelRecord::new(LotId::default(), Timestamp::from_millis(millis), Tables::start(), tau, Vec::new())
        };
        let records = [at(200, 9_000), at(100, 8_500), at(100, 8_600)];
        let models = Models::new(&LotId::default(), &records, PlateKey::default());
        let tau = |millis: i64| models.all()[models.at(Timestamp::from_millis(millis))].tau;
        let greater = if records[1].id > records[2].id { 8_500 } else { 8_600 };
        assert_eq!([99, 100, 199, 200, 300].map(tau), [8_000, greater, greater, 9_000, 9_000]);
    }
}
