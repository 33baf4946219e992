//! Probes a file without changing it: whether it contains a ledger that this program knows, and whether it is in use.

use std::path::Path;

use parking::GivenRules;

use super::{lock, pairing, schema};
use crate::{Error, Probe};

/// Probes the file at `path`, which may be missing; its folder must exist.
pub(crate) async fn probe(path: &Path, given: &GivenRules) -> Result<Probe, Error> {
    let (path, given) = (path.to_owned(), given.clone());
    let looked = tokio::task::spawn_blocking(move || look(&path, &given));
    looked.await.map_err(|error| Error::Unavailable(format!("probing it failed: {error}")))?
}

fn look(path: &Path, given: &GivenRules) -> Result<Probe, Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    if !folder.is_dir() {
        let folder = folder.display();
        return Err(Error::Config(format!("there is no folder {folder}, and the ledger does not create it")));
    }
    // Held while the file is read, so that no process starts writing it meanwhile.
    let _lock = lock::take_if_any(path)?;
    let rules = if path.exists() { schema::look(path, given)? } else { None };
    if rules.is_some()
        && let Some(tables) = schema::look_at_tables(path)?
    {
        pairing::look(path, tables)?;
    }
    if rules.is_none() {
        pairing::check_tables_exist(path)?;
    }
    let is_read_only = path.metadata().is_ok_and(|file| file.permissions().readonly());
    Ok(Probe { store: format!("SQLite at {}", path.display()), now: None, is_read_only, rules })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(path: &Path) -> Result<Probe, Error> {
        super::look(path, &GivenRules::default())
    }

    #[test]
    fn a_look_tells_a_ledger_from_nothing_and_from_another_program_s_file_and_makes_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");

        assert_eq!(look(&path).unwrap().rules, None);
        assert!(!path.exists() && !lock::file(&path).exists());
        drop(schema::open_writer(&path, parking::Timestamp::default()).unwrap());
        assert_eq!(look(&path).unwrap().rules, Some(Ok(parking::Rules::default())));

        std::fs::write(&path, "this is the text of another program, and it is long enough for a header ".repeat(20))
            .unwrap();
        assert!(matches!(look(&path), Err(Error::Config(text)) if text.contains("not a ledger of this program")));
        assert!(
            matches!(look(&folder.path().join("no/ledger")), Err(Error::Config(text)) if text.contains("no folder"))
        );
    }

    #[test]
    fn a_look_leaves_nothing_beside_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("50% of #1?.sqlite");
        drop(schema::open_writer(&path, parking::Timestamp::default()).unwrap());
        let files = || {
            let names = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name());
            names.collect::<std::collections::BTreeSet<_>>()
        };
        let before = files();

        assert_eq!(look(&path).unwrap().rules, Some(Ok(parking::Rules::default())));

        assert_eq!(files(), before);
    }

    #[test]
    fn a_ledger_that_somebody_has_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let holder = lock::take(&path).unwrap();

        assert!(matches!(look(&path), Err(Error::InUse(text)) if text.contains("DWELL_DATABASE_URL")));
        drop(holder);
        assert!(look(&path).is_ok());
    }
}
