//! A start that can't succeed is refused: the process exits with the cause and what to do.

use super::*;

#[tokio::test]
async fn a_second_process_on_one_folder_ends_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let first = Running::start(folder.path(), &[]).ready().await;

    let (code, output) = ended(Running::start(folder.path(), &[]).program).await;

    assert_eq!(code, Some(69), "{output}");
    assert!(output.contains("in use by another process") && output.contains("DWELL_DATA_DIR"), "{output}");
    assert!(first.is_ready().await);
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_remedy() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = Running::start(folder.path(), &[]).ready().await;
    let taken = first.url.trim_start_matches("http://");

    let (code, output) = ended(Running::start(other.path(), &[("DWELL_LISTEN", taken)]).program).await;

    assert_eq!(code, Some(69), "{output}");
    assert!(output.contains(taken) && output.contains("DWELL_LISTEN"), "{output}");
}

#[tokio::test]
async fn a_wrong_setting_ends_with_78_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in [("DWELL_HOLD", "soon"), ("DWELL_DATABASE_URL", "mysql://u:hidden@h/d"), ("DWELL_HOLDS", "1s")]
    {
        let (code, output) = ended(Running::start(folder.path(), &[(name, value)]).program).await;
        assert_eq!(code, Some(78), "{output}");
        assert!(output.contains(name) && !output.contains("hidden"), "{output}");
    }
}

#[tokio::test]
async fn a_sqlite_file_in_use_ends_with_69_and_one_in_no_folder_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let _first = Running::start(folder.path(), &[("DWELL_DATABASE_URL", &at("ledger.db"))]).ready().await;

    for (name, expected, told) in [
        ("ledger.db", 69, "is in use by another summary API"),
        ("missing/ledger.db", 78, "needs an existing, writable folder"),
    ] {
        let (code, output) = ended(Running::start(folder.path(), &[("DWELL_DATABASE_URL", &at(name))]).program).await;
        assert_eq!(code, Some(expected), "{output}");
        assert!(output.contains(told) && output.contains("DWELL_DATABASE_URL"), "{output}");
        assert!(expected == 69 || !output.contains("unavailable"), "{output}");
    }
}
