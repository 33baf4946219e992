//! The Dockerfile and what goes into it: the right programs, every manifest, one Debian release, no secrets.

use std::collections::BTreeSet;

use super::{SERVICES, member_folders, read};

/// The instructions of the Dockerfile, each in one line, without comments.
fn instructions() -> Vec<String> {
    let text = read("Dockerfile");
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let one_space = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    joined.lines().map(one_space).filter(|line| !line.is_empty()).collect()
}

fn programs() -> BTreeSet<&'static str> {
    SERVICES.into_iter().chain(["dwell"]).collect()
}

#[test]
fn the_image_holds_exactly_the_programs_that_the_workspace_builds() {
    let instructions = instructions();
    let copy = instructions.iter().find_map(|line| line.strip_prefix("COPY --from=builder ")).unwrap();
    let mut paths: Vec<_> = copy.split(' ').collect();
    assert_eq!(paths.pop(), Some(super::PROGRAMS));

    let copied = paths.iter().map(|path| path.strip_prefix("/build/target/release/").unwrap());
    assert_eq!(copied.collect::<BTreeSet<_>>(), programs());
}

#[test]
fn the_image_has_the_authorities_of_servers() {
    const FILE: &str = "/etc/ssl/certs/ca-certificates.crt";
    let copied = |line: &String| *line == format!("COPY --from=builder {FILE} /etc/ssl/certs/");
    assert!(instructions().iter().any(copied));
    // The builder of ci/long is made of single packages.
    assert!(read("ci/long").contains("make_tree builder gcc,libc6-dev,ca-certificates\n"));
}

#[test]
fn release_programs_have_function_names_and_no_debug_information() {
    let manifest = read("Cargo.toml");
    let release = manifest.split("[profile.release]\n").nth(1).unwrap().split("\n[").next().unwrap();
    assert!(release.lines().any(|line| line == "debug = false"), "{release}");
    assert!(!release.contains("strip"), "{release}");
}

#[test]
fn dependencies_and_programs_are_built_by_the_same_command() {
    let instructions = instructions();
    let builds: Vec<BTreeSet<_>> = instructions
        .iter()
        .filter_map(|line| line.split_once("cargo build --release --locked "))
        .map(|(_, arguments)| arguments.split(" && ").next().unwrap())
        .map(|arguments| arguments.split("--package ").skip(1).map(str::trim).collect())
        .collect();
    assert_eq!(builds, [programs(), programs()]);
}

#[test]
fn the_layer_of_dependencies_has_every_manifest() {
    let instructions = instructions();
    let copied: BTreeSet<_> = instructions.iter().filter(|line| line.contains("Cargo.toml ")).cloned().collect();
    let mut expected: BTreeSet<_> =
        member_folders().iter().map(|folder| format!("COPY {folder}/Cargo.toml {folder}/")).collect();
    expected.insert("COPY Cargo.toml Cargo.lock ./".to_owned());
    let copied: BTreeSet<_> = copied.into_iter().filter(|line| line.starts_with("COPY")).collect();
    assert_eq!(copied, expected);
}

/// Every build has other values: an argument that is declared earlier would compile all dependencies again.
#[test]
fn commit_and_build_time_come_after_the_layer_of_dependencies() {
    let instructions = instructions();
    let sources = instructions.iter().position(|line| line == "COPY . .").unwrap();
    for argument in ["ARG BUILD_COMMIT=\"\"", "ARG SOURCE_DATE_EPOCH=\"\""] {
        let at = instructions.iter().position(|line| line == argument).expect(argument);
        assert!(at > sources && instructions[at..].iter().any(|line| line.contains("cargo build ")), "{argument}");
    }
}

#[test]
fn every_source_that_cargo_looks_for_has_a_placeholder_in_the_layer_of_dependencies() {
    // It makes src/lib.rs, src/main.rs and whatever stands in a line `path = "….rs"`; Cargo refuses a manifest that
    // names another one.
    for folder in member_folders().into_iter().chain([".".to_owned()]) {
        let manifest = read(&format!("{folder}/Cargo.toml"));
        assert!(
            !manifest.lines().any(|line| line.starts_with("build = ")),
            "{folder}: a build script needs a placeholder"
        );
        for section in manifest.split("\n[").skip(1).filter(|section| section.starts_with('[')) {
            let has_path = section.lines().any(|line| line.starts_with("path = \"") && line.ends_with(".rs\""));
            assert!(has_path, "{folder}/Cargo.toml: [{} needs a line path = \"….rs\"", section.lines().next().unwrap());
        }
    }
}

#[test]
fn builder_and_runtime_are_of_one_debian_release_and_the_toolchain_is_the_pinned_one() {
    let instructions = instructions();
    let value = |prefix: &str| instructions.iter().find_map(|line| line.strip_prefix(prefix)).unwrap();
    let (toolchain, release) = value("ARG RUST_IMAGE=rust:").split_once('-').unwrap();
    assert_eq!(value("ARG RUNTIME_IMAGE=debian:"), format!("{release}-slim"));
    assert!(read("rust-toolchain.toml").contains(&format!("channel = \"{toolchain}.")), "{toolchain}");
}

#[test]
fn the_programs_run_without_root_and_own_the_volume_that_they_write_to() {
    let instructions = instructions();
    let position = |prefix: &str| instructions.iter().position(|line| line.starts_with(prefix)).expect(prefix);
    assert_eq!(instructions[position("USER ")], "USER 10001:10001");
    assert!(instructions[position("RUN mkdir -p /var/lib/dwell")].contains("chown 10001:10001 /var/lib/dwell"));
    assert!(position("RUN mkdir -p /var/lib/dwell") < position("VOLUME [\"/var/lib/dwell\"]"));
    assert_eq!(instructions[position("ENV ")], "ENV DWELL_DATA_DIR=/var/lib/dwell");
    assert_eq!(instructions[position("STOPSIGNAL ")], "STOPSIGNAL SIGTERM");
    assert_eq!(instructions[position("ENTRYPOINT ")], "ENTRYPOINT [\"/usr/local/bin/dwell\"]");
}

#[test]
fn only_what_is_built_goes_to_the_builder() {
    let text = read(".dockerignore");
    let lines: Vec<_> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert_eq!(lines[0], "*", "everything is left out that is not named");

    let named: BTreeSet<_> = lines.iter().filter_map(|line| line.strip_prefix('!')).collect();
    let needed: BTreeSet<_> = SERVICES.into_iter().chain(["Cargo.toml", "Cargo.lock", "src", "crates"]).collect();
    assert!(named.is_superset(&needed), "{named:?}");
    assert!(["**/.env", "**/target", "**/dwell-data"].iter().all(|never| lines.contains(never)));
}
