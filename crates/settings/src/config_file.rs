//! The file that `DWELL_CONFIG` names: settings in TOML, by the names of their variables.
//!
//! `Settings` decides which value wins. Values are not checked here, so that those of the file are refused with the
//! same text as those of the environment.

use std::path::Path;

use toml::Value;

use super::redacted::redact;
use super::table::{ALL, CONFIG, Setting};
use super::{Error, file};

/// What a value may be.
const ALLOWED: &str = "a text in quotes, or a number";

/// The content of a file.
#[derive(Debug, Default)]
pub(super) struct ConfigFile {
    /// The known settings and their values.
    pub(super) values: Vec<(&'static Setting, String)>,
    /// What can't be used, without values.
    pub(super) errors: Vec<Error>,
    /// What works and needs attention.
    pub(super) warnings: Vec<String>,
}

/// Reads the file; the error says what is wrong with all of it.
pub(super) fn read(path: &Path) -> Result<ConfigFile, String> {
    let text = file::read(path)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    // The error as a whole quotes the line, which may have a secret.
    let table = text.parse::<toml::Table>().map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
        format!("line {line}: {}", error.message())
    })?;
    let mut content = ConfigFile::default();
    for (name, value) in table {
        match taken(&name, value, path) {
            Ok(taken) => content.values.push(taken),
            Err(error) => content.errors.push(error),
        }
    }
    content.warnings.extend(readable_by_others(path, &content.values));
    Ok(content)
}

fn taken(name: &str, value: Value, path: &Path) -> Result<(&'static Setting, String), Error> {
    let Some(setting) = ALL.iter().copied().find(|setting| setting.name == name) else {
        return Err(Error::unknown(name, Some(path)));
    };
    let wrong = |value: &str, reason: &str, allowed: &'static str| Error::Wrong {
        name: said_as(setting, path),
        value: value.to_owned(),
        reason: reason.to_owned(),
        allowed,
    };
    if *setting == CONFIG {
        return Err(wrong("…", "a file can't name another one", "every setting except this one"));
    }
    let text = match value {
        Value::String(text) => text,
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            return Err(wrong("…", &format!("it is of the type {}", value.type_str()), ALLOWED));
        }
    };
    Ok((setting, text))
}

/// The name of a setting in an error about its value in the file.
pub(super) fn said_as(setting: &Setting, path: &Path) -> String {
    format!("{}: {}", path.display(), setting.name)
}

/// A warning if the file has a secret, and every user of the machine can read it.
fn readable_by_others(path: &Path, values: &[(&'static Setting, String)]) -> Option<String> {
    let has_secret = |(setting, value): &&(&'static Setting, String)| setting.secret || redact(value) != *value;
    let (setting, _) = values.iter().find(has_secret)?;
    is_readable_by_others(path).then(|| {
        format!(
            "every user of this machine can read {path}, which has a secret ({name}): chmod o-rwx '{path}'",
            path = path.display(),
            name = setting.name
        )
    })
}

#[cfg(unix)]
fn is_readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    const OTHERS_READ: u32 = 0o004;
    std::fs::metadata(path).is_ok_and(|data| data.permissions().mode() & OTHERS_READ != 0)
}

#[cfg(not(unix))]
fn is_readable_by_others(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use crate::{AMQP_URL, DRAIN, HOLD, LISTEN, Origin, SEED, Settings};

    /// The path of a file with this text.
    fn written(folder: &tempfile::TempDir, text: &str) -> PathBuf {
        let path = folder.path().join("dwell.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn settings(path: &std::path::Path, more: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let command = crate::command("dwell", "").get_matches_from(["dwell", "--seed", "9"]);
        let file = [("DWELL_CONFIG", path.to_str().unwrap())];
        let variables = file.iter().chain(more).map(|(name, value)| (name.into(), value.into()));
        let (settings, errors) = Settings::read_all(&command, variables);
        (settings, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn flag_wins_over_environment_and_environment_over_file_and_file_over_default() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(&folder, "\u{feff}DWELL_SEED = 7\nDWELL_HOLD = \"7s\"\nDWELL_DRAIN = \"7s\"\n");

        let (settings, errors) = settings(&path, &[("DWELL_HOLD", "8s"), ("DWELL_DRAIN", "")]);

        assert_eq!(errors, Vec::<String>::new());
        assert_eq!([&SEED, &HOLD, &DRAIN].map(|setting| settings.text(setting).unwrap()), ["9", "8s", "7s"]);
        let rows = settings.rows();
        let origin = |name: &str| rows.iter().find(|row| row.name == name).unwrap().origin;
        assert_eq!(
            [&SEED, &HOLD, &DRAIN, &LISTEN].map(|setting| origin(setting.name)),
            [Origin::Flag, Origin::Environment, Origin::File, Origin::Default]
        );
    }

    #[test]
    fn every_wrong_line_is_named_with_the_file_and_never_with_its_value() {
        let folder = tempfile::tempdir().unwrap();
        let lines =
            "DWELL_AMPQ_URL = \"amqp://u:hidden@h\"\nhold = \"3s\"\nDWELL_LOTS = [\"hidden\"]\nDWELL_CONFIG = \"x\"\n";
        let path = written(&folder, lines);
        let (_, errors) = settings(&path, &[]);
        let at = path.display();
        let expected = [
            format!("unknown setting DWELL_AMPQ_URL in {at}; did you mean DWELL_AMQP_URL? --help lists all settings"),
            format!("unknown setting hold in {at}; did you mean DWELL_HOLD? --help lists all settings"),
            format!("{at}: DWELL_LOTS=…: it is of the type array; allowed is a text in quotes, or a number"),
            format!("{at}: DWELL_CONFIG=…: a file can't name another one; allowed is every setting except this one"),
        ];
        for line in &expected {
            assert!(errors.contains(line), "{line}\nis not in\n{errors:#?}");
        }
        assert!(errors.len() == 4 && !errors.concat().contains("hidden"), "{errors:#?}");

        let (settings, errors) = settings(&written(&folder, "\nDWELL_INTERNAL_TOKEN = \"hidden\nDWELL_HOLD = 1"), &[]);
        assert!(errors[0].contains(": line 2: ") && !errors[0].contains("hidden"), "{errors:?}");
        assert!(settings.is_given(&crate::CONFIG));
    }

    #[test]
    fn wrong_value_is_named_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(&folder, "DWELL_HOLD = \"soon\"");
        let error = settings(&path, &[]).0.duration(&HOLD).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{}: DWELL_HOLD=soon: ", path.display())), "{error}");
        assert_eq!(error.setting(), Some(&HOLD));
    }

    #[test]
    fn secret_in_a_file_that_everybody_can_read_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        for (text, mode, is_warned) in [
            ("DWELL_AMQP_URL = \"amqp://u:hidden@h\"", 0o644, true),
            ("DWELL_AMQP_URL = \"amqp://u:hidden@h\"", 0o640, false),
            ("DWELL_AMQP_URL = \"amqp://h\"", 0o644, false),
            ("DWELL_INTERNAL_TOKEN = \"hidden\"", 0o604, true),
        ] {
            let path = written(&folder, text);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let warnings = settings(&path, &[]).0.warnings().join("\n");
            assert_eq!(warnings.contains("chmod o-rwx"), is_warned, "{text} {mode:o}: {warnings}");
            assert!(!warnings.contains("hidden"), "{warnings}");
        }
        assert_eq!(settings(&written(&folder, ""), &[]).0.text(&AMQP_URL), None);
    }
}
