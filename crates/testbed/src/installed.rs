//! Finds the server programs of Debian's packages, and names a missing package.

use std::path::{Path, PathBuf};

use anyhow::bail;

/// Folders that are often missing in the `PATH` of an ordinary user.
const SYSTEM_FOLDERS: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin"];

/// Finds `program` in `PATH` and the system's folders.
pub(crate) fn program(program: &str, package: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SYSTEM_FOLDERS.iter().map(PathBuf::from));
    match folders.map(|folder| folder.join(program)).find(|candidate| candidate.is_file()) {
        Some(found) => Ok(found),
        None => missing(program, package, "PATH and /usr/sbin"),
    }
}

/// Returns `path` if it exists.
pub(crate) fn program_at(path: &str, package: &str) -> anyhow::Result<PathBuf> {
    if Path::new(path).is_file() { Ok(PathBuf::from(path)) } else { missing(path, package, "that place") }
}

/// Finds a program of `PostgreSQL`, of the highest installed version.
pub(crate) fn postgres_program(program: &str) -> anyhow::Result<PathBuf> {
    let root = "/usr/lib/postgresql";
    let versions = std::fs::read_dir(root).into_iter().flatten().flatten();
    let numbered = versions.filter_map(|entry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        let candidate = entry.path().join("bin").join(program);
        candidate.is_file().then_some((number, candidate))
    });
    match numbered.max_by_key(|(number, _)| *number) {
        Some((_, found)) => Ok(found),
        None => missing(program, "postgresql", "/usr/lib/postgresql/*/bin"),
    }
}

fn missing(program: &str, package: &str, looked_in: &str) -> anyhow::Result<PathBuf> {
    bail!(
        "{program} is not installed (looked in {looked_in}): it comes with Debian's package `{package}`, \
         and `ci/test` installs what the tests need"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_its_package_and_the_remedy() {
        let error = program("no-such-server", "no-such-package").unwrap_err().to_string();

        assert_eq!(
            error,
            "no-such-server is not installed (looked in PATH and /usr/sbin): it comes with Debian's package \
             `no-such-package`, and `ci/test` installs what the tests need"
        );
    }

    #[test]
    fn the_shell_is_found() {
        assert!(program("sh", "dash").is_ok());
    }
}
