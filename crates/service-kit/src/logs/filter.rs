//! The filter of the log: `DWELL_LOG`, without what must never be logged.
//!
//! Libraries that carry gate events log whole messages and statements with their parameters, plates included. This
//! module makes sure that no setting enables these; our own parts are careful themselves.

use tracing_subscriber::filter::combinator::And;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, LevelFilter, Targets};
use tracing_subscriber::{Registry, layer};

use settings::Settings;

/// The maximum log level of libraries, by the prefix of their targets. The AMQP library logs messages at every level;
/// the bus reports its outages anyway.
const LIBRARIES: [(&str, LevelFilter); 9] = [
    ("amq_protocol", LevelFilter::OFF),
    ("axum::rejection", LevelFilter::OFF),
    ("deadpool", LevelFilter::WARN),
    ("lapin", LevelFilter::OFF),
    ("postgres", LevelFilter::WARN),
    ("redis", LevelFilter::WARN),
    ("reqwest::connect", LevelFilter::OFF),
    ("rusqlite", LevelFilter::WARN),
    ("tokio_postgres", LevelFilter::WARN),
];
/// The words of a part of `DWELL_LOG` without a target.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The filter.
pub(super) fn filter(settings: &Settings) -> Result<impl layer::Filter<Registry> + 'static, settings::Error> {
    let most = Targets::new().with_default(LevelFilter::TRACE).with_targets(LIBRARIES);
    let shown: And<EnvFilter, Targets, Registry> = asked_for(settings)?.and(most);
    Ok(shown)
}

fn asked_for(settings: &Settings) -> Result<EnvFilter, settings::Error> {
    let text = settings.required(&settings::LOG)?;
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_level = |part: &str| LEVELS.iter().any(|level| part.eq_ignore_ascii_case(level));
    // The library takes a single word for a target, and then shows nothing else.
    if let Some(part) = parts.iter().find(|part| !part.contains('=') && !is_level(part)) {
        let reason = format!("\"{part}\" is no level; for one part of the program write its name and a level");
        return Err(settings.wrong(&settings::LOG, reason));
    }
    EnvFilter::builder().parse(parts.join(",")).map_err(|error| settings.wrong(&settings::LOG, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Option<String> {
        let settings = Settings::from_variables([("DWELL_LOG", text)]).unwrap();
        asked_for(&settings).err().map(|error| error.to_string())
    }

    #[test]
    fn a_lone_word_that_is_no_level_is_refused_with_what_is_allowed() {
        for text in ["off", "WARN", "info,correlator=debug", "info, summary_api=trace"] {
            assert_eq!(refusal(text), None, "{text}");
        }
        assert_eq!(
            refusal("banana").unwrap(),
            "DWELL_LOG=banana: \"banana\" is no level; for one part of the program write its name and a level; allowed is \
             error, warn, info, debug, trace or off, also for parts: info,correlator=debug"
        );
        for text in ["info,correlator", "info,", "3"] {
            assert!(refusal(text).unwrap().contains("is no level"), "{text}");
        }
    }

    #[test]
    fn a_level_that_does_not_exist_is_refused_by_name() {
        assert!(refusal("correlator=loud").unwrap().starts_with("DWELL_LOG=correlator=loud: "));
    }
}
