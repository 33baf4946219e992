//! The log of the process: text for people on a terminal, else JSON for machines.
//!
//! It is written to standard output, so that `docker logs` shows it. Each part decides what to log at which level.

mod filter;
mod json;
#[cfg(test)]
mod page;

use std::io::IsTerminal as _;

use tracing::Subscriber;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt};

use filter::filter;
use json::JsonLines;
use settings::Settings;

/// The output of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output, for containers.
    Stdout,
    /// Standard error, for a program with other output.
    Stderr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Json,
}

/// Starts the log on standard output, with `DWELL_LOG` and `DWELL_LOG_FORMAT`. A second start changes nothing.
pub fn init(settings: &Settings, service: &'static str) -> Result<(), settings::Error> {
    init_on(Output::Stdout, settings, service)
}

/// Starts the log on `output`. A second start changes nothing.
pub fn init_on(output: Output, settings: &Settings, service: &'static str) -> Result<(), settings::Error> {
    let (writer, terminal) = match output {
        Output::Stdout => (BoxMakeWriter::new(std::io::stdout), std::io::stdout().is_terminal()),
        Output::Stderr => (BoxMakeWriter::new(std::io::stderr), std::io::stderr().is_terminal()),
    };
    if subscriber(writer, terminal, settings, service)?.try_init().is_err() {
        tracing::debug!(service, "the log is running already");
    }
    Ok(())
}

/// Checks the settings of the log; starts none.
pub fn check(settings: &Settings) -> Result<(), settings::Error> {
    filter(settings)?;
    format(settings, false)?;
    Ok(())
}

/// The configured log.
fn subscriber(
    writer: BoxMakeWriter,
    terminal: bool,
    settings: &Settings,
    service: &'static str,
) -> Result<impl Subscriber + Send + Sync + 'static, settings::Error> {
    let filter = filter(settings)?;
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format(settings, terminal)? {
        Format::Text => fmt::layer().with_target(false).with_ansi(terminal).with_writer(writer).boxed(),
        Format::Json => fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines { service })
            .with_ansi(false)
            .with_writer(writer)
            .boxed(),
    };
    Ok(tracing_subscriber::registry().with(layer.with_filter(filter)))
}

fn format(settings: &Settings, terminal: bool) -> Result<Format, settings::Error> {
    let told = settings.choice(&settings::LOG_FORMAT, &[("text", Format::Text), ("json", Format::Json)])?;
    Ok(told.unwrap_or(if terminal { Format::Text } else { Format::Json }))
}

#[cfg(test)]
mod tests {
    use super::page::Page;
    use super::*;

    #[test]
    fn format_is_text_on_a_terminal_and_json_elsewhere_unless_told() {
        let told = Settings::from_variables([("DWELL_LOG_FORMAT", "text")]).unwrap();
        let untold = Settings::from_variables([]).unwrap();
        let formats = [format(&told, false), format(&untold, true), format(&untold, false)];
        assert_eq!(formats, [Ok(Format::Text), Ok(Format::Text), Ok(Format::Json)]);
    }

    #[test]
    fn no_setting_makes_a_library_log_the_data_that_it_carries() {
        // In two pieces, since a test that searches the sources would take the whole for a use of the library.
        const CHANNEL: &str = concat!("lapin", "::channel");
        const QUERY: &str = concat!("tokio_postgres", "::query");
        const SOCKET: &str = concat!("redis", "::aio");
        let page = Page::default();
        let writer = page.clone();
        let asked = format!("trace,lapin=debug,{QUERY}=debug");
        let settings = [("DWELL_LOG", asked.as_str()), ("DWELL_LOG_FORMAT", "text")];
        let settings = Settings::from_variables(settings).unwrap();

        let writer = BoxMakeWriter::new(move || writer.clone());
        let running = subscriber(writer, false, &settings, "dwell").unwrap().set_default();
        tracing::error!(target: CHANNEL, "ABC1");
        tracing::warn!(target: "lapin", "ABC2");
        tracing::debug!(target: QUERY, "ABC3");
        // The libraries of both databases log through the crate `log`.
        log::debug!(target: QUERY, "ABC4");
        log::info!(target: "postgres_types", "ABC5");
        log::debug!(target: SOCKET, "ABC6");
        tracing::trace!(target: "correlator::timelines::redis", "ours");
        log::warn!(target: QUERY, "warning");
        log::trace!(target: "dwell", "other");
        drop(running);

        let written = page.text();
        let messages: Vec<&str> = written.lines().filter_map(|line| line.split(' ').next_back()).collect();
        assert_eq!(messages, ["ours", "warning", "other"]);
    }

    #[test]
    fn wrong_format_is_refused_with_what_is_allowed() {
        let kind = Settings::from_variables([("DWELL_LOG_FORMAT", "xml")]).unwrap();
        assert!(format(&kind, true).unwrap_err().to_string().ends_with("; allowed is text or json"));
    }
}
