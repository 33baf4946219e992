//! Finds the commit of a source tree. Used by the build script, and tested with the crate.
//!
//! Nothing here fails: without git, or outside its repository (an image build, a source archive), the commit is
//! unknown.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The length of a shown commit.
const COMMIT_LENGTH: usize = 12;
/// Follows the commit when tracked files differ from it.
const MODIFIED: &str = "-modified";

/// What git says about a source tree.
#[derive(Debug)]
pub(crate) struct Repository {
    /// The commit.
    pub(crate) commit: String,
    /// The files and folders whose change may change the commit.
    pub(crate) watched: Vec<PathBuf>,
}

/// The repository whose top is `root`; `None` without git, without a commit, or inside the repository of another
/// project.
pub(crate) fn repository(root: &Path) -> Option<Repository> {
    let top = git(root, &["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    let commit = git(root, &["rev-parse", "HEAD"])?;
    let is_modified = !git(root, &["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    let commit = commit.get(..COMMIT_LENGTH)?.to_owned() + if is_modified { MODIFIED } else { "" };
    // A commit, a checkout and a reset append to the log of HEAD.
    let of_git = ["HEAD", "logs/HEAD"].into_iter().filter_map(|name| git(root, &["rev-parse", "--git-path", name]));
    let tracked = git(root, &["ls-tree", "--name-only", "HEAD"])?;
    let watched = of_git.chain(tracked.lines().map(str::to_owned)).map(|path| root.join(path));
    // A path that does not exist would run the script in every build.
    Some(Repository { commit, watched: watched.filter(|path| path.exists()).collect() })
}

/// The commit and the build time, seconds since 1970. Given values win; the clock is used only in a repository, so that
/// a build outside is reproducible.
pub(crate) fn identity(
    commit: Option<&str>,
    epoch: Option<&str>,
    repository: Option<&Repository>,
    clock: SystemTime,
) -> (Option<String>, Option<i64>) {
    let given = commit.filter(|commit| is_commit(commit));
    let given = given.map(|commit| commit.get(..COMMIT_LENGTH).unwrap_or(commit).to_owned());
    let commit = given.or_else(|| repository.map(|repository| repository.commit.clone()));
    let by_clock = || {
        let seconds = clock.duration_since(UNIX_EPOCH).ok()?.as_secs();
        repository.and_then(|_| i64::try_from(seconds).ok())
    };
    (commit, epoch.and_then(|seconds| seconds.parse().ok()).or_else(by_clock))
}

fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The output of git, if it succeeds.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    // A lock that git takes to refresh its index could make a command that runs at the same time fail.
    let output = Command::new("git").arg("--no-optional-locks").args(arguments).current_dir(folder).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    /// A repository with one commit.
    fn committed() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "one").unwrap();
        let author = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"];
        git(folder.path(), &["init", "-q"]).unwrap();
        git(folder.path(), &["add", "file"]).unwrap();
        git(folder.path(), &[&author[..], &["commit", "-q", "-m", "one"]].concat()).unwrap();
        folder
    }

    #[test]
    fn a_source_tree_without_a_repository_of_its_own_has_no_commit() {
        let archive = tempfile::tempdir().unwrap();
        assert!(repository(archive.path()).is_none());

        let of_another_project = committed();
        let inside = of_another_project.path().join("vendor");
        std::fs::create_dir(&inside).unwrap();
        assert!(repository(&inside).is_none());
    }

    #[test]
    fn a_changed_file_marks_the_commit() {
        let folder = committed();
        let head = git(folder.path(), &["rev-parse", "HEAD"]).unwrap();
        let clean = repository(folder.path()).unwrap();
        assert_eq!(clean.commit, head[..12]);
        assert!(clean.watched.iter().any(|path| path.ends_with("file")), "{clean:?}");
        assert!(clean.watched.iter().any(|path| path.ends_with("logs/HEAD")), "{clean:?}");

        std::fs::write(folder.path().join("file"), "two").unwrap();
        assert_eq!(repository(folder.path()).unwrap().commit, format!("{}-modified", &head[..12]));
    }

    #[test]
    fn given_values_win_and_the_clock_counts_only_in_a_repository() {
        let clock = UNIX_EPOCH + Duration::from_secs(1_727_168_411);
        let repository = Repository { commit: "fedcba987654".to_owned(), watched: Vec::new() };
        let short = || Some("0123456789ab".to_owned());

        assert_eq!(identity(None, None, None, clock), (None, None));
        assert_eq!(identity(Some(COMMIT), Some("7"), Some(&repository), clock), (short(), Some(7)));
        assert_eq!(identity(Some(COMMIT), Some(""), None, clock), (short(), None));
        let wrong = identity(Some("$(date)"), Some("soon"), Some(&repository), clock);
        assert_eq!(wrong, (Some("fedcba987654".to_owned()), Some(1_727_168_411)));
    }
}
