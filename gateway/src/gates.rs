//! The gates of the lots file: `[[gates]]`, and the rules for their events, `[[filters]]`. Other tables of the file are
//! read elsewhere.

use std::collections::BTreeMap;

use camera_formats::{Format, Gate, WrittenGate};
use parking::text_file;
use serde::Deserialize;
use settings::{LOTS, Settings};

use crate::filters::{self, Filters};
use crate::topic_filter::TopicFilter;

/// All gates by name, and the rules for what comes from them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gates {
    by_name: BTreeMap<String, Gate>,
    /// MQTT topics, each with the name of a gate.
    topics: Vec<(TopicFilter, String)>,
    filters: Filters,
}

/// The tables about gates. Other tables of the file are checked where they are read.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    gates: Vec<toml::Spanned<WrittenGate>>,
    #[serde(default)]
    filters: Vec<filters::Written>,
}

impl Gates {
    /// The gates of the file that the settings name; none without one.
    ///
    /// # Errors
    /// The file can't be read, or a gate of it is wrong: its line, its member, and what is allowed.
    pub fn from_settings(settings: &Settings) -> Result<Self, settings::Error> {
        let Some(toml) = settings.file(&LOTS)? else { return Ok(Self::default()) };
        Self::parse(&toml).map_err(|problem| settings.wrong(&LOTS, problem))
    }

    /// The gates of the text of a lots file.
    ///
    /// # Errors
    /// Which gate is wrong, where, and what is allowed.
    pub fn parse(toml: &str) -> Result<Self, String> {
        let toml = text_file::without_byte_order_mark(toml);
        let file: File = toml::from_str(toml).map_err(|error| error.to_string())?;
        let (mut gates, mut topics) = (BTreeMap::new(), Vec::new());
        for written in file.gates {
            // Found only for an error: it takes a pass over the file.
            let start = written.span().start;
            let line = || text_file::line_of(toml, start);
            let mut written = written.into_inner();
            let name = written.id.clone();
            for topic in std::mem::take(&mut written.topics) {
                let filter = TopicFilter::parse(&topic);
                let filter = filter.map_err(|problem| format!("line {}: gate {name}: topics: {problem}", line()))?;
                topics.push((filter, name.clone()));
            }
            let gate = Gate::check(written).map_err(|error| format!("line {}: gate {name}: {error}", line()))?;
            if gates.insert(name.clone(), gate).is_some() {
                return Err(format!("line {}: gate {name}: is there twice", line()));
            }
        }
        Ok(Self { by_name: gates, topics, filters: Filters::check(file.filters)? })
    }

    /// The gate of that name.
    pub fn get(&self, id: &str) -> Option<&Gate> {
        self.by_name.get(id)
    }

    /// Each MQTT topic with a gate whose camera's messages are sent on it.
    pub(crate) fn with_topics(&self) -> impl Iterator<Item = (&TopicFilter, &Gate)> {
        self.topics.iter().filter_map(|(filter, name)| Some((filter, self.by_name.get(name)?)))
    }

    /// The names of all gates.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The rules for what comes from any gate.
    pub(crate) fn filters(&self) -> &Filters {
        &self.filters
    }

    /// All gates whose cameras speak this format, by name.
    pub fn speaking(&self, format: Format) -> impl Iterator<Item = &Gate> {
        self.by_name.values().filter(move |gate| gate.format == format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[[lot]]\nid = \"P3\"\nkind = \"mall\"\n\n[[gates]]\nid = \"in-1\"\nlot = \"P3\"\ndirection = \"entry\"\nformat = \"axis\"\nzone = \"Europe/Berlin\"\n\n[[gates]]\nid = \"out-1\"\nlot = \"P3\"\ndirection = \"both\"\nformat = \"mapping\"\nmounting = \"rear\"\nmapping = { plate = \"/plate\", time = \"/time\" }\n";

    #[test]
    fn gates_stand_in_the_lots_file() {
        let gates = Gates::parse(FILE).unwrap();
        assert_eq!(gates.get("in-1").unwrap().format, Format::Axis);
        assert_eq!(gates.speaking(Format::Mapping).count(), 1);
        assert_eq!(Gates::parse("[[lot]]\nid = \"P3\"\nkind = \"mall\"\n"), Ok(Gates::default()));
    }

    #[test]
    fn the_example_file_has_a_gate_for_every_format() {
        let path = format!("{}/../deploy/lots.example.toml", env!("CARGO_MANIFEST_DIR"));
        let gates = Gates::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
        for format in Format::ALL {
            assert!(gates.speaking(format).next().is_some(), "no gate speaks {format}");
        }
        assert_ne!(gates.filters(), &Filters::default());
    }

    #[test]
    fn a_wrong_gate_is_refused_with_its_line() {
        let problem = |from: &str, to: &str| Gates::parse(&FILE.replace(from, to)).unwrap_err();
        assert!(
            problem("\"axis\"", "\"axes\"").starts_with("line 5: gate in-1: format \"axes\" is not known; known are")
        );
        assert!(problem("out-1", "in-1").ends_with("gate in-1: is there twice"));
        assert!(problem("mounting", "mounted").contains("mounted"));
    }
}
