//! The configuration of the traffic: seed, speed and faults, from the settings and the lots.
//!
//! [`Traffic`] makes the traffic.

use std::time::Duration;

use parking::Lots;
use settings::{Setting, Settings};

use crate::Traffic;
use crate::profile::STAY_MINUTES_MAX;

/// The maximum of vehicles in flight, if every stay had the maximum length.
const VEHICLES_MAX: f64 = 10_000_000.0;
/// The maximum share of strangers among the exits: they leave with the exits of others.
const STRANGER_SHARE_MAX: f64 = 0.9;
/// The maximum lateness of an event.
const LATE_BY_MAX: Duration = Duration::from_hours(24);
/// The maximum of past traffic to publish at start.
const BACKFILL_MAX: Duration = Duration::from_hours(31 * 24);

/// The traffic of all lots. The default is that of the settings.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficConfig {
    /// The seed of the random numbers.
    pub seed: u64,
    /// A factor on the arrivals of every lot.
    pub arrivals: f64,
    /// Divides the stays of real car parks.
    pub stay_scale: f64,
    /// The share of events that are published twice.
    pub duplicate_share: f64,
    /// The share of events that are published late.
    pub late_share: f64,
    /// The maximum lateness.
    pub late_by: Duration,
    /// The share of entries that are never published.
    pub lost_entry_share: f64,
    /// The share of exits that are never published.
    pub lost_exit_share: f64,
    /// The share of published exits whose vehicle never entered.
    pub stranger_share: f64,
}

impl Default for TrafficConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            arrivals: 1.0,
            stay_scale: 60.0,
            duplicate_share: 0.01,
            late_share: 0.02,
            late_by: Duration::from_secs(20),
            lost_entry_share: 0.0,
            lost_exit_share: 0.0,
            stranger_share: 0.2,
        }
    }
}

/// An impossible traffic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", .setting.name)]
pub struct WrongTraffic {
    /// The setting that is most likely wrong.
    pub setting: &'static Setting,
    /// What is wrong, and what is allowed.
    pub reason: String,
}

impl TrafficConfig {
    /// The maximum lateness, milliseconds.
    pub(crate) fn late_by_millis(&self) -> f64 {
        self.late_by.as_secs_f64() * 1000.0
    }

    /// Refuses values out of range, and more vehicles than fit into memory.
    pub(crate) fn check(&self, lots: &Lots) -> Result<(), WrongTraffic> {
        let wrong = |setting, reason: String| Err(WrongTraffic { setting, reason });
        let shares: [(&'static Setting, f64, f64); 5] = [
            (&settings::DUPLICATE_SHARE, self.duplicate_share, 1.0),
            (&settings::LATE_SHARE, self.late_share, 1.0),
            (&settings::LOST_ENTRY_SHARE, self.lost_entry_share, 1.0),
            (&settings::LOST_EXIT_SHARE, self.lost_exit_share, 1.0),
            (&settings::STRANGER_SHARE, self.stranger_share, STRANGER_SHARE_MAX),
        ];
        for (setting, share, most) in shares {
            if !(0.0..=most).contains(&share) {
                return wrong(setting, format!("the simulator takes a share from 0 to {most}"));
            }
        }
        if self.late_by > LATE_BY_MAX {
            return wrong(&settings::LATE_BY, "the simulator takes at most 24h".into());
        }
        if !(self.stay_scale >= 1.0 && self.stay_scale.is_finite()) {
            return wrong(&settings::STAY_SCALE, "it is below 1, or not finite".into());
        }
        if !(self.arrivals >= 0.0 && self.arrivals.is_finite()) {
            return wrong(&settings::ARRIVALS, "it is below 0, or not finite".into());
        }
        let an_hour = lots.iter().map(|lot| lot.arrivals_per_hour).sum::<f64>() * self.arrivals;
        let most = VEHICLES_MAX / (STAY_MINUTES_MAX / 60.0) * self.stay_scale;
        if an_hour > most {
            let reason = format!(
                "all lots together would have {an_hour:.0} arrivals an hour; with stays divided by {} at most \
                 {most:.0} can be simulated",
                self.stay_scale
            );
            return wrong(&settings::ARRIVALS, reason);
        }
        Ok(())
    }
}

/// The plan of a gate service: its traffic, and how much of the past to publish at start.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The traffic of all lots.
    pub traffic: Traffic,
    /// The duration of past traffic to publish at start.
    pub backfill: Duration,
}

impl Plan {
    /// Reads the plan from the settings, and the lots from their file.
    ///
    /// # Errors
    /// The invalid setting, its value, and what is allowed.
    pub fn from_settings(settings: &Settings) -> Result<Self, settings::Error> {
        let traffic = TrafficConfig {
            seed: settings.number(&settings::SEED, 0..=u64::MAX)?,
            arrivals: settings.number(&settings::ARRIVALS, 0.0..=100_000.0)?,
            stay_scale: settings.number(&settings::STAY_SCALE, 1.0..=100_000.0)?,
            duplicate_share: settings.share(&settings::DUPLICATE_SHARE)?,
            late_share: settings.share(&settings::LATE_SHARE)?,
            late_by: settings.duration(&settings::LATE_BY)?,
            lost_entry_share: settings.share(&settings::LOST_ENTRY_SHARE)?,
            lost_exit_share: settings.share(&settings::LOST_EXIT_SHARE)?,
            stranger_share: settings.share(&settings::STRANGER_SHARE)?,
        };
        let backfill = settings.duration(&settings::BACKFILL)?;
        if backfill > BACKFILL_MAX {
            return Err(settings.wrong(&settings::BACKFILL, "the simulator takes at most 31d"));
        }
        let traffic = Traffic::new(traffic, &settings.lots(&settings::LOTS)?)
            .map_err(|wrong| settings.wrong(wrong.setting, wrong.reason))?;
        Ok(Self { traffic, backfill })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking::LotKind;

    fn plan(variables: &[(&str, &str)]) -> Result<Plan, String> {
        let settings = Settings::from_variables(variables.iter().copied()).map_err(|error| error.to_string())?;
        Plan::from_settings(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_of_the_settings_are_the_defaults_here() {
        let plan = plan(&[]).unwrap();
        assert_eq!(plan.traffic.config(), &TrafficConfig::default());
        assert_eq!(plan.backfill, Duration::from_hours(1));
    }

    #[test]
    fn settings_that_cannot_be_simulated_are_refused_with_the_remedy() {
        let refusal = |name, value| plan(&[(name, value)]).unwrap_err();
        assert_eq!(
            refusal("DWELL_STRANGER_SHARE", "0.95"),
            "DWELL_STRANGER_SHARE=0.95: the simulator takes a share from 0 to 0.9; allowed is a share from 0 to 1, for instance 0.2"
        );
        assert!(refusal("DWELL_ARRIVALS", "99999").contains("149998500 arrivals an hour"));
        assert!(refusal("DWELL_LATE_BY", "2d").contains("at most 24h"));
        assert!(refusal("DWELL_BACKFILL", "32d").contains("at most 31d"));
        assert!(refusal("DWELL_STAY_SCALE", "0.5").contains("DWELL_STAY_SCALE=0.5"));
        assert!(
            refusal("DWELL_LOTS", "/no/such/file.toml")
                .contains("DWELL_LOTS=/no/such/file.toml: the file can't be read (No such")
        );
        assert!(refusal("DWELL_SEED", "-1").contains("DWELL_SEED=-1"));
    }

    #[test]
    fn wrong_lots_file_is_refused_with_its_path_and_its_problem() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[[lot]]\nid = \"P3\"\nkind = \"mall\"\ntime_zone = \"Moon\"\n").unwrap();
        let path = file.path().to_str().unwrap();

        let refusal = plan(&[("DWELL_LOTS", path)]).unwrap_err();

        assert!(refusal.starts_with(&format!("DWELL_LOTS={path}: line 4: lot P3: time_zone \"Moon\"")), "{refusal}");
    }

    #[test]
    fn sample_file_of_lots_shows_every_kind_and_can_be_used_as_it_is() {
        const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/lots.example.toml");
        let lots = Lots::parse(&std::fs::read_to_string(SAMPLE).unwrap()).unwrap();

        let mut kinds: Vec<LotKind> = lots.iter().map(|lot| lot.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();

        assert_eq!(kinds, [LotKind::Hotel, LotKind::Mall, LotKind::Market, LotKind::Industrial, LotKind::Community]);
        assert!(plan(&[("DWELL_LOTS", SAMPLE)]).is_ok());
    }
}
