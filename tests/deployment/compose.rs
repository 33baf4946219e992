//! The compose file: names, ports, health, mounts and settings are those of the contract and of the programs.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use settings::Settings;

use super::{PROGRAMS, SERVICES, Service, compose, own_services, read, root, variables};

/// What is different in containers, and so has another default in the compose file than in the programs.
const OTHER_DEFAULTS: [&str; 6] = [
    settings::ACCESS.name,
    settings::AMQP_URL.name,
    settings::REDIS_URL.name,
    settings::SUMMARY_API_URL.name,
    settings::INTERNAL_TOKEN.name,
    settings::LOG_FORMAT.name,
];
/// What the compose file passes only when the operator sets it: a ledger keeps the rules that it was written with.
const RULES: [&str; 4] =
    [settings::HOLD.name, settings::RE_READ_WINDOW.name, settings::MAX_STAY.name, settings::UNREAD_PLATES.name];
/// Where the container engine listens, for the one service that reads the logs of the others.
const DOCKER: &str = "/var/run/docker.sock";
/// What the compose file fixes, because its ports and volumes follow from it.
const FIXED: [&str; 4] =
    [settings::LISTEN.name, settings::METRICS_LISTEN.name, settings::GRPC_LISTEN.name, settings::DATA_DIR.name];
/// What the compose file does not pass: it sets nearly every variable, and a variable wins over the file of settings.
/// And each service has a certificate of its own, if any.
const NOT_PASSED: [&str; 5] = [
    settings::CONFIG.name,
    settings::MISREADS.name,
    settings::TLS_CERT_FILE.name,
    settings::TLS_KEY_FILE.name,
    settings::TLS_CLIENT_CA_FILE.name,
];

#[test]
fn services_containers_and_ports_are_those_of_the_contract() {
    let compose = compose();
    let found: Vec<_> = compose
        .services
        .iter()
        .map(|(name, service)| (name.as_str(), service.container_name.as_deref(), service.ports.join(" ")))
        .collect();

    let row = |name, container, ports: &str| (name, container, ports.to_owned());
    let expected = [
        row("alertmanager", None, "127.0.0.1:9093:9093"),
        row("alloy", None, "127.0.0.1:12345:12345"),
        row("correlator", Some("consume_service"), "127.0.0.1:2112:2112"),
        row("dwell", None, ""),
        row("entry-service", Some("entry_service"), "127.0.0.1:2113:2113"),
        row("exit-service", Some("exit_service"), "127.0.0.1:2114:2114"),
        row("extra-correlator", None, ""),
        row("gateway", Some("gateway"), "127.0.0.1:8080:8080 127.0.0.1:50051:50051 127.0.0.1:2115:2115"),
        row("grafana", None, "127.0.0.1:3000:3000"),
        row("loki", None, "127.0.0.1:3100:3100"),
        row("postgres", None, ""),
        row("prometheus", None, "127.0.0.1:9090:9090"),
        row("rabbitmq", None, "127.0.0.1:5672:5672 127.0.0.1:15672:15672"),
        row("redis", None, ""),
        row("summary-api", Some("api"), "127.0.0.1:5000:5000"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_is_not_needed_for_a_first_look_is_a_profile() {
    let compose = compose();
    let profiles: BTreeMap<_, _> = compose
        .services
        .iter()
        .filter(|(_, service)| !service.profiles.is_empty())
        .map(|(name, service)| (name.as_str(), service.profiles.join(" ")))
        .collect();
    let expected = [
        ("alertmanager", "alerts"),
        ("alloy", "logs"),
        ("dwell", "tools"),
        ("extra-correlator", "scale"),
        ("loki", "logs"),
        ("postgres", "postgres"),
    ];
    assert_eq!(profiles, expected.map(|(name, profile)| (name, profile.to_owned())).into());
    assert_eq!(compose.services["extra-correlator"].environment, compose.services["correlator"].environment);
}

#[test]
fn every_service_runs_the_program_of_its_name() {
    let compose = compose();
    let programs: BTreeMap<_, _> =
        own_services(&compose).iter().map(|(name, service)| (*name, service.entrypoint.clone())).collect();
    assert_eq!(programs, SERVICES.map(|name| (name, vec![format!("{PROGRAMS}{name}")])).into());
    assert_eq!(compose.services["dwell"].program(), Some("dwell"));
    assert_eq!(compose.services["extra-correlator"].program(), Some("correlator"));
}

#[test]
fn a_service_that_others_call_by_its_name_serves_that_name() {
    let compose = compose();
    let mut calls = 0;
    for (caller, service) in &compose.services {
        for (variable, value) in &service.environment {
            let host = value.strip_prefix("http://").and_then(|rest| rest.split([':', '/']).next());
            let Some((name, called)) = host.and_then(|host| compose.services.get_key_value(host)) else { continue };
            if !SERVICES.contains(&name.as_str()) {
                continue;
            }
            let hosts: Vec<&str> = called.environment[settings::PUBLIC_HOSTS.name].split(',').collect();
            let container = called.container_name.as_deref().unwrap_or(name);
            assert!(hosts.contains(&name.as_str()) && hosts.contains(&container), "{caller}, {variable}: {hosts:?}");
            calls += 1;
        }
    }
    assert!(calls > 0);
}

#[test]
fn health_checks_of_our_services_ask_the_program_that_runs() {
    let compose = compose();
    for (name, service) in own_services(&compose) {
        let program = service.entrypoint[0].as_str();
        assert_eq!(service.healthcheck.test, ["CMD", program, settings::HEALTHCHECK], "{name}");
    }
}

#[test]
fn whoever_waits_waits_until_the_other_is_healthy() {
    let compose = compose();
    for (name, service) in &compose.services {
        for (other, need) in &service.depends_on {
            assert_eq!(need.condition, "service_healthy", "{name} waits for {other}");
            assert!(!compose.services[other].healthcheck.test.is_empty(), "{other} has no health check");
            assert!(compose.services[other].profiles.is_empty(), "{name} waits for {other}, which may not be there");
        }
    }
    let needs = |name: &str| compose.services[name].depends_on.keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(needs("correlator"), ["rabbitmq", "redis", "summary-api"]);
    assert_eq!(needs("entry-service"), ["rabbitmq"]);
    assert_eq!(needs("exit-service"), ["rabbitmq"]);
    assert_eq!(needs("gateway"), ["rabbitmq"]);
    assert_eq!(needs("grafana"), ["prometheus"]);
}

#[test]
fn every_mount_exists_in_the_repository_or_is_a_named_volume() {
    let compose = compose();
    let mounts = compose.services.values().flat_map(|service| &service.volumes);
    let mut named = BTreeSet::new();
    for mount in mounts {
        let (source, _) = mount.split_once(':').unwrap();
        if source.starts_with('.') {
            assert!(root().join(source).exists(), "{source} is mounted and does not exist");
            assert!(mount.ends_with(":ro"), "{mount} can be written from a container");
        } else if source.starts_with('/') {
            assert_eq!(mount, &format!("{DOCKER}:{DOCKER}:ro"), "a place of the machine outside of the repository");
        } else {
            named.insert(source);
        }
    }
    assert_eq!(named, compose.volumes.keys().map(String::as_str).collect());
}

#[test]
fn the_commands_have_a_folder_to_write_in_that_belongs_to_their_user() {
    let compose = compose();
    assert_eq!(compose.services["dwell"].volumes, [".:/files:ro", "work:/work"]);
    assert!(variables(&read("docker-compose.yml")).contains(&("OUTPUT_FOLDER", "work")));
    // A new volume takes its owner from the folder of the image.
    let image = read("Dockerfile");
    let owned = image.lines().find(|line| line.contains("chown 10001:10001")).unwrap();
    assert!(
        owned.contains("mkdir -p /var/lib/dwell /work") && owned.contains("chown 10001:10001 /var/lib/dwell /work")
    );
    let documentation = read("docs/containers.md");
    let commands: Vec<_> =
        documentation.lines().filter(|line| line.contains("compose run") && line.contains("--sessions")).collect();
    assert_eq!(commands.len(), 2);
    for command in commands {
        assert!(command.contains("--sessions /work/") || command.contains("-T dwell export --sessions -"), "{command}");
    }
}

#[test]
fn only_the_reader_of_logs_has_the_socket_of_the_container_engine() {
    let compose = compose();
    let has_it =
        compose.services.iter().filter(|(_, service)| service.volumes.iter().any(|mount| mount.contains(DOCKER)));
    assert_eq!(has_it.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["alloy"]);
}

#[test]
fn rabbitmq_keeps_its_name_and_so_its_queues() {
    assert_eq!(compose().services["rabbitmq"].hostname.as_deref(), Some("rabbitmq"));
}

#[test]
fn no_container_has_rights_that_it_does_not_need_or_memory_without_end() {
    let compose = compose();
    for (name, service) in &compose.services {
        assert_eq!(service.cap_drop, ["ALL"], "{name}");
        assert_eq!(service.security_opt, ["no-new-privileges:true"], "{name}");
        assert!(service.mem_limit.is_some() && service.pids_limit.is_some(), "{name} has no limits");
    }
    let that = |has: fn(&Service) -> bool| {
        let names = compose.services.iter().filter(|(_, service)| has(service)).map(|(name, _)| name.as_str());
        names.collect::<Vec<_>>()
    };
    assert_eq!(that(|service| !service.read_only), ["rabbitmq"], "its image writes to /etc");
    assert_eq!(that(|service| !service.cap_add.is_empty()), ["alloy"]);
    assert_eq!(compose.services["alloy"].cap_add, ["DAC_OVERRIDE"]);
    // The scripts of these images change the user, which takes capabilities, unless it is that user already.
    assert_eq!(that(|service| service.user.is_some()), ["postgres", "rabbitmq", "redis"]);
}

#[test]
fn redis_has_memory_beyond_what_it_may_fill() {
    let text = read("docker-compose.yml");
    let (_, command) = text.split_once("- --maxmemory\n      - ").unwrap();
    let megabytes = |text: &str| text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse::<u32>().unwrap();
    let filled = megabytes(command.lines().next().unwrap());
    let limit = megabytes(compose().services["redis"].mem_limit.as_deref().unwrap());
    assert!(limit * 10 >= filled * 12, "{filled} of {limit} MB");
}

#[test]
fn our_containers_run_the_image_that_is_built_here() {
    for (name, service) in compose().services.iter().filter(|(_, service)| service.program().is_some()) {
        let build = service.build.as_ref().unwrap_or_else(|| panic!("{name}: no build"));
        assert_eq!((service.image.as_str(), build.context.as_str()), ("dwell", "."), "{name}");
        assert!(build.args.keys().all(|argument| read("Dockerfile").contains(&format!("ARG {argument}="))), "{name}");
    }
}

#[test]
fn images_of_others_are_pinned_to_a_series() {
    for (name, service) in compose().services.iter().filter(|(_, service)| service.build.is_none()) {
        let (_, tag) = service.image.split_once(':').unwrap_or_else(|| panic!("{name}: no tag"));
        assert!(tag.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()), "{name}: {}", service.image);
        assert_eq!(service.restart, "unless-stopped", "{name}");
    }
}

#[test]
fn a_stop_leaves_time_for_the_drain() {
    let seconds = |text: &str| text.strip_suffix('s').unwrap().parse::<u64>().unwrap();
    let drain = seconds(settings::DRAIN.default.unwrap());
    for (name, service) in own_services(&compose()) {
        let grace = seconds(service.stop_grace_period.as_deref().unwrap());
        assert!(grace > drain, "{name} is killed after {grace} s and drains for up to {drain} s");
    }
}

#[test]
fn every_program_takes_the_settings_that_it_is_given() {
    for (name, service) in &compose().services {
        let given = service.environment.iter().filter(|(variable, _)| variable.starts_with(settings::PREFIX));
        let settings = Settings::from_variables(given.map(|(variable, value)| (variable.as_str(), value.as_str())))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        settings.url(&settings::AMQP_URL, &["amqp"]).unwrap();
        settings.url(&settings::REDIS_URL, &["redis"]).unwrap();
        settings.url(&settings::SUMMARY_API_URL, &["http"]).unwrap();
        settings.secret(&settings::INTERNAL_TOKEN).unwrap();
        settings.duration(&settings::DRAIN).unwrap();
        settings.listen(&settings::LISTEN, 1).unwrap();
        settings.listen(&settings::METRICS_LISTEN, 1).unwrap();
    }
}

#[test]
fn every_setting_can_be_changed_in_the_env_file_and_has_the_default_of_the_programs() {
    let text = read("docker-compose.yml");
    let settable: BTreeMap<_, _> =
        variables(&text).into_iter().filter(|(name, _)| name.starts_with(settings::PREFIX)).collect();

    let known = settings::ALL
        .iter()
        .map(|setting| setting.name)
        .filter(|name| !FIXED.contains(name) && !NOT_PASSED.contains(name));
    assert_eq!(settable.keys().copied().collect::<BTreeSet<_>>(), known.collect());
    for setting in settings::ALL.iter().filter(|setting| settable.contains_key(setting.name)) {
        let default = setting.default.filter(|_| !RULES.contains(&setting.name));
        let is_other = settable[setting.name] != default.unwrap_or_default();
        assert_eq!(is_other, OTHER_DEFAULTS.contains(&setting.name), "the default of {}", setting.name);
    }
}

#[test]
fn the_compose_file_gives_no_rule_by_default() {
    let given = &compose().services["summary-api"].environment;
    assert_eq!(RULES.map(|rule| given.get(rule).map(String::as_str)), [Some(""); 4]);

    let variables = given.iter().filter(|(name, _)| RULES.contains(&name.as_str()));
    let settings = Settings::from_variables(variables.map(|(name, value)| (name.as_str(), value.as_str()))).unwrap();
    for setting in settings::ALL.iter().filter(|setting| RULES.contains(&setting.name)) {
        assert!(!settings.is_given(setting), "{}", setting.name);
    }
}

#[test]
fn the_summary_api_its_correlators_and_the_gateway_share_a_token_that_says_that_it_is_none() {
    let compose = compose();
    let token = |name: &str| compose.services[name].environment.get(settings::INTERNAL_TOKEN.name);
    assert_eq!(token("summary-api"), token("correlator"));
    assert!(token("correlator").unwrap().contains("development"));
    // `dwell verify` shows it too.
    assert_eq!(token("dwell"), token("correlator"));
    // The gateway reads the tokens of its senders with it.
    assert_eq!(token("gateway"), token("correlator"));
    for name in ["entry-service", "exit-service"] {
        assert_eq!(token(name), None, "{name} must not have the token");
    }
}

#[test]
#[ignore = "needs docker-compose: ci/test"]
fn docker_compose_accepts_the_file_with_and_without_the_example_settings() {
    assert!(!read("docker-compose.yml").lines().any(|line| line.starts_with("version:")));
    let nothing = tempfile::NamedTempFile::new().unwrap();
    for env_file in [nothing.path(), &root().join(".env.example")] {
        let output = Command::new("docker-compose")
            .arg("--env-file")
            .arg(env_file)
            .args(["scale", "tools", "postgres", "logs", "alerts"].map(|profile| ["--profile", profile]).concat())
            .args(["config", "--services"])
            .current_dir(root())
            .output()
            .expect("docker-compose is installed by ci/test");
        assert!(output.status.success(), "{}: {}", env_file.display(), String::from_utf8_lossy(&output.stderr));
        let services = String::from_utf8(output.stdout).unwrap();
        let services: BTreeSet<_> = services.lines().collect();
        assert_eq!(services, compose().services.keys().map(String::as_str).collect(), "{}", env_file.display());
    }
}
