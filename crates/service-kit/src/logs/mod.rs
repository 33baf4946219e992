//! The log of the process: text for people on a terminal, JSON for machines elsewhere.
//!
//! It goes to standard output, so that `docker logs` shows it. What is logged, and at which level, is left to each part.

mod json;

use std::io::IsTerminal as _;

use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{self, Settings};
use json::JsonLines;

/// Where the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output, as containers want it.
    Stdout,
    /// Standard error, for a program whose output is something else.
    Stderr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Json,
}

/// Starts the log on standard output, as `DWELL_LOG` and `DWELL_LOG_FORMAT` say. A second start changes nothing.
pub fn init(settings: &Settings, service: &'static str) -> Result<(), config::Error> {
    init_on(Output::Stdout, settings, service)
}

/// Starts the log on `output`. A second start changes nothing.
pub fn init_on(output: Output, settings: &Settings, service: &'static str) -> Result<(), config::Error> {
    let filter = filter(settings)?;
    let (writer, terminal) = match output {
        Output::Stdout => (BoxMakeWriter::new(std::io::stdout), std::io::stdout().is_terminal()),
        Output::Stderr => (BoxMakeWriter::new(std::io::stderr), std::io::stderr().is_terminal()),
    };
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format(settings, terminal)? {
        Format::Text => fmt::layer().with_target(false).with_ansi(terminal).with_writer(writer).boxed(),
        Format::Json => fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines { service })
            .with_ansi(false)
            .with_writer(writer)
            .boxed(),
    };
    if tracing_subscriber::registry().with(layer.with_filter(filter)).try_init().is_err() {
        tracing::debug!(service, "the log is running already");
    }
    Ok(())
}

/// The AMQP library logs whole messages, plates included, and each outage that the bus tells of anyway. A filter that
/// names it is obeyed.
const QUIET: &str = "lapin=off";

fn filter(settings: &Settings) -> Result<EnvFilter, config::Error> {
    let text = settings.required(&config::LOG)?;
    EnvFilter::builder()
        .parse(format!("{QUIET},{text}"))
        .map_err(|error| settings.wrong(&config::LOG, error.to_string()))
}

fn format(settings: &Settings, terminal: bool) -> Result<Format, config::Error> {
    let told = settings.choice(&config::LOG_FORMAT, &[("text", Format::Text), ("json", Format::Json)])?;
    Ok(told.unwrap_or(if terminal { Format::Text } else { Format::Json }))
}

/// A length of time as people say it, in its two largest units: `45s`, `1h47m`, `25h`, `3d4h`. Hours go up to two days,
/// as car parks count. The unit below is cut off, not rounded.
pub fn human_duration(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let total_ms = millis.unsigned_abs();
    let (total_seconds, total_minutes, total_hours) = (total_ms / 1_000, total_ms / 60_000, total_ms / 3_600_000);
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{sign}{large}{large_unit}"),
        _ => format!("{sign}{large}{large_unit}{small}{small_unit}"),
    };
    match () {
        () if total_ms == 0 => "0s".to_owned(),
        () if total_seconds == 0 => format!("{sign}{total_ms}ms"),
        () if total_minutes == 0 => format!("{sign}{total_seconds}s"),
        () if total_hours == 0 => two(total_minutes, "m", total_seconds % 60, "s"),
        () if total_hours < 48 => two(total_hours, "h", total_minutes % 60, "m"),
        () => two(total_hours / 24, "d", total_hours % 24, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        const MINUTE: i64 = 60_000;
        const HOUR: i64 = 60 * MINUTE;
        let cases = [
            (0, "0s"),
            (850, "850ms"),
            (45_999, "45s"),
            (90_000, "1m30s"),
            (HOUR + 47 * MINUTE + 12_000, "1h47m"),
            (25 * HOUR, "25h"),
            (47 * HOUR + MINUTE, "47h1m"),
            (76 * HOUR, "3d4h"),
            (30 * 24 * HOUR, "30d"),
            (-5_000, "-5s"),
        ];
        for (millis, text) in cases {
            assert_eq!(human_duration(millis), text);
        }
        assert!(human_duration(i64::MIN).starts_with('-'));
    }

    #[test]
    fn format_is_text_on_a_terminal_and_json_elsewhere_unless_told() {
        let told = Settings::from_variables([("DWELL_LOG_FORMAT", "text")]).unwrap();
        let untold = Settings::from_variables([]).unwrap();
        let formats = [format(&told, false), format(&untold, true), format(&untold, false)];
        assert_eq!(formats, [Ok(Format::Text), Ok(Format::Text), Ok(Format::Json)]);
    }

    #[test]
    fn the_amqp_library_is_quiet_unless_it_is_named() {
        let shown = |text| filter(&Settings::from_variables([("DWELL_LOG", text)]).unwrap()).unwrap().to_string();
        assert!(shown("debug").contains("lapin=off"), "{}", shown("debug"));
        assert!(!shown("info,lapin=debug").contains("lapin=off"), "{}", shown("info,lapin=debug"));
    }

    #[test]
    fn wrong_log_settings_are_refused_by_name() {
        let level = Settings::from_variables([("DWELL_LOG", "correlator=loud")]).unwrap();
        let kind = Settings::from_variables([("DWELL_LOG_FORMAT", "xml")]).unwrap();
        assert!(filter(&level).unwrap_err().to_string().starts_with("DWELL_LOG=correlator=loud: "));
        assert!(format(&kind, true).unwrap_err().to_string().ends_with("; allowed is text or json"));
    }
}
