//! The one table of everything that can be configured: name, meaning, default and what is allowed.
//!
//! Flags, `--help`, the refusal of unknown names and every error text come from here. Reading values is left to
//! [`Settings`](super::Settings), and what a value does to the service that uses it.

/// One thing that can be configured, by environment or by a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The name of the environment variable, for instance `DWELL_AMQP_URL`.
    pub name: &'static str,
    /// What it is for, in one line.
    pub help: &'static str,
    /// The value that holds when nobody says another one.
    pub default: Option<&'static str>,
    /// What a value may be; stands in every error about a wrong one.
    pub allowed: &'static str,
    /// Whether the value must never be shown. (Passwords within URLs are masked anyway.)
    pub secret: bool,
}

/// What every setting's environment variable begins with.
pub const PREFIX: &str = "DWELL_";

impl Setting {
    const fn new(name: &'static str, default: Option<&'static str>, allowed: &'static str, help: &'static str) -> Self {
        Self { name, help, default, allowed, secret: false }
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// The flag that wins over the variable, without its two dashes: `DWELL_AMQP_URL` gives `amqp-url`.
    pub fn flag(&self) -> String {
        self.name.trim_start_matches(PREFIX).to_ascii_lowercase().replace('_', "-")
    }
}

const DURATION: &str = "a duration such as 250ms, 30s, 10m, 1h or 30d";
const SHARE: &str = "a share from 0 to 1, for instance 0.2";
const QUEUE_NAME: &str = "a queue name of 1 to 255 bytes";

/// Where the broker is.
pub const AMQP_URL: Setting = Setting::new(
    "DWELL_AMQP_URL",
    None,
    "an AMQP URL such as amqp://user:password@host:5672/%2f",
    "RabbitMQ, which carries the gate events",
);
/// The queue of entries.
pub const QUEUE_ENTRY: Setting =
    Setting::new("DWELL_QUEUE_ENTRY", Some("parking.entry"), QUEUE_NAME, "Queue of entry events");
/// The queue of exits.
pub const QUEUE_EXIT: Setting =
    Setting::new("DWELL_QUEUE_EXIT", Some("parking.exit"), QUEUE_NAME, "Queue of exit events");
/// The queue of dead letters.
pub const QUEUE_DEAD: Setting =
    Setting::new("DWELL_QUEUE_DEAD", Some("parking.dead"), QUEUE_NAME, "Queue of dead letters");
/// The type of the queues.
pub const QUEUE_TYPE: Setting =
    Setting::new("DWELL_QUEUE_TYPE", Some("quorum"), "quorum or classic", "Type of the queues in RabbitMQ");
/// Whether queues are declared or taken as they are.
pub const QUEUE_DECLARE: Setting = Setting::new(
    "DWELL_QUEUE_DECLARE",
    Some("active"),
    "active (declare the queues) or passive (take them as they are)",
    "Whether queues are declared at start",
);
/// How many deliveries may be unacknowledged at once.
pub const PREFETCH: Setting = Setting::new(
    "DWELL_PREFETCH",
    Some("8000"),
    "a whole number of messages from 1 to 32000",
    "Messages that a consumer may hold unacknowledged, for each queue",
);
/// Where the shared cache is.
pub const REDIS_URL: Setting = Setting::new(
    "DWELL_REDIS_URL",
    None,
    "a Redis URL such as redis://:password@host:6379/0",
    "Redis, the shared cache of timelines; without it the cache is in memory",
);
/// Where the ledger is.
pub const DATABASE_URL: Setting = Setting::new(
    "DWELL_DATABASE_URL",
    None,
    "sqlite:PATH or postgres://user:password@host:5432/database",
    "The ledger; without it, SQLite in the data folder",
);
/// Where the summary API is.
pub const SUMMARY_API_URL: Setting = Setting::new(
    "DWELL_SUMMARY_API_URL",
    None,
    "an HTTP URL such as http://127.0.0.1:5000",
    "The summary API, which records the sessions",
);
/// The secret that the summary API and its correlators share.
pub const INTERNAL_TOKEN: Setting = Setting::new(
    "DWELL_INTERNAL_TOKEN",
    None,
    "a secret of at least 16 visible ASCII characters, the same for the summary API and its correlators",
    "Shared secret of /internal/v1; needed beyond loopback",
)
.secret();
/// Where answers are kept.
pub const ANSWER_CACHE: Setting = Setting::new(
    "DWELL_ANSWER_CACHE",
    Some("memory"),
    "memory, off, or a Redis URL such as redis://:password@host:6379/0",
    "Where the summary API keeps answers of GraphQL, for a second at most",
);
/// Where this service listens.
pub const LISTEN: Setting = Setting::new(
    "DWELL_LISTEN",
    None,
    "host:port, for instance 127.0.0.1:5000, 0.0.0.0:5000 or [::1]:5000",
    "Address that this service listens on",
);
/// The names that this service has.
pub const PUBLIC_HOSTS: Setting = Setting::new(
    "DWELL_PUBLIC_HOSTS",
    None,
    "host names without scheme and port, separated by commas, for instance parking.example,api",
    "Host names that this service is reached by, besides localhost and IP addresses",
);
/// Where what must outlive the process is kept.
pub const DATA_DIR: Setting = Setting::new(
    "DWELL_DATA_DIR",
    Some("./dwell-data"),
    "a folder that can be written, for one process at a time",
    "Folder of the embedded bus and ledger",
);
/// The file of lots.
pub const LOTS: Setting = Setting::new(
    "DWELL_LOTS",
    None,
    "the path of a TOML file of lots",
    "File of lots: capacity, kind, time zone, max stay",
);
/// What is logged.
pub const LOG: Setting = Setting::new(
    "DWELL_LOG",
    Some("info"),
    "error, warn, info, debug, trace or off, also for parts: info,correlator=debug",
    "How much is logged",
);
/// How it is logged.
pub const LOG_FORMAT: Setting = Setting::new(
    "DWELL_LOG_FORMAT",
    None,
    "text or json",
    "Format of the log; without it, text on a terminal, else json",
);
/// Where traces go.
pub const OTLP_ENDPOINT: Setting = Setting::new(
    "DWELL_OTLP_ENDPOINT",
    None,
    "an HTTP URL such as http://127.0.0.1:4318",
    "OpenTelemetry collector that spans are sent to (OTLP over HTTP); without it, none are",
);
/// How long an exit waits for its entry.
pub const HOLD: Setting =
    Setting::new("DWELL_HOLD", Some("30s"), DURATION, "How long an exit waits for a late entry (summary API)");
/// How far apart reads of one passage are at most.
pub const RE_READ_WINDOW: Setting = Setting::new(
    "DWELL_RE_READ_WINDOW",
    None,
    DURATION,
    "Reads at most this far apart are one passage; without it the ledger's own, 60s in a new ledger (summary API)",
);
/// How long a stay is at most.
pub const MAX_STAY: Setting = Setting::new(
    "DWELL_MAX_STAY",
    None,
    DURATION,
    "The longest stay that can match; without it the ledger's own, 30d in a new ledger (summary API)",
);
/// Plates that say that nothing was read.
pub const UNREAD_PLATES: Setting = Setting::new(
    "DWELL_UNREAD_PLATES",
    None,
    "plates, separated by commas",
    "Plates that mean that nothing was read, besides all zeros and reads without a letter or digit; without it the \
     ledger's own, in a new ledger NOPLATE, NOPLATEDETECTED, NOTREAD, UNREAD, UNREADABLE, UNRECOGNIZED, UNKNOWN, \
     UNKNOWNPLATE, UNLICENSED, UNDEFINED, NODATA, NONE, NULL, NAN, NA, 无车牌, 无牌车, 未识别 (summary API)",
);
/// How many events the correlator takes at once.
pub const BATCH_EVENTS: Setting = Setting::new(
    "DWELL_BATCH_EVENTS",
    Some("4000"),
    "a whole number of events from 1 to 10000",
    "Events that the correlator decides and records together, at most",
);
/// How many batches the correlator has under way.
pub const BATCHES_IN_FLIGHT: Setting = Setting::new(
    "DWELL_BATCHES_IN_FLIGHT",
    Some("4"),
    "a whole number of batches from 1 to 64",
    "Batches that the correlator has under way at once",
);
/// How long a stop may take.
pub const DRAIN: Setting =
    Setting::new("DWELL_DRAIN", Some("10s"), DURATION, "How long a stop may take to finish the work under way");
/// The seed of made-up traffic.
pub const SEED: Setting = Setting::new(
    "DWELL_SEED",
    Some("1"),
    "a whole number from 0 to 18446744073709551615",
    "Seed of the simulated traffic; the entry and the exit service need the same",
);
/// By what simulated stays are divided.
pub const STAY_SCALE: Setting = Setting::new(
    "DWELL_STAY_SCALE",
    Some("60"),
    "a number from 1 to 100000",
    "Simulated stays are real stays divided by this",
);
/// How much of the past is published at start.
pub const BACKFILL: Setting =
    Setting::new("DWELL_BACKFILL", Some("1h"), DURATION, "How much of the past the simulator publishes at start");
/// How busy the simulated lots are.
pub const ARRIVALS: Setting = Setting::new(
    "DWELL_ARRIVALS",
    Some("1"),
    "a factor from 0 to 100000",
    "Factor on the arrival rates of the simulated lots",
);
/// How many simulated events come twice.
pub const DUPLICATE_SHARE: Setting =
    Setting::new("DWELL_DUPLICATE_SHARE", Some("0.01"), SHARE, "Share of the simulated events that come twice");
/// How many simulated events come late.
pub const LATE_SHARE: Setting =
    Setting::new("DWELL_LATE_SHARE", Some("0.02"), SHARE, "Share of the simulated events that come late");
/// How late they come.
pub const LATE_BY: Setting =
    Setting::new("DWELL_LATE_BY", Some("20s"), DURATION, "How late a simulated event comes, at most");
/// How many simulated entries never come.
pub const LOST_ENTRY_SHARE: Setting =
    Setting::new("DWELL_LOST_ENTRY_SHARE", Some("0"), SHARE, "Share of the simulated entries that are lost");
/// How many simulated exits never come.
pub const LOST_EXIT_SHARE: Setting =
    Setting::new("DWELL_LOST_EXIT_SHARE", Some("0"), SHARE, "Share of the simulated exits that are lost");
/// How many simulated exits have no entry.
pub const STRANGER_SHARE: Setting = Setting::new(
    "DWELL_STRANGER_SHARE",
    Some("0.2"),
    SHARE,
    "Share of the simulated exits whose vehicle never came in",
);

/// Every setting, in the order of `--help`.
pub const ALL: &[&Setting] = &[
    &LISTEN,
    &PUBLIC_HOSTS,
    &AMQP_URL,
    &QUEUE_ENTRY,
    &QUEUE_EXIT,
    &QUEUE_DEAD,
    &QUEUE_TYPE,
    &QUEUE_DECLARE,
    &PREFETCH,
    &REDIS_URL,
    &SUMMARY_API_URL,
    &INTERNAL_TOKEN,
    &DATABASE_URL,
    &ANSWER_CACHE,
    &DATA_DIR,
    &LOTS,
    &HOLD,
    &RE_READ_WINDOW,
    &MAX_STAY,
    &UNREAD_PLATES,
    &BATCH_EVENTS,
    &BATCHES_IN_FLIGHT,
    &DRAIN,
    &LOG,
    &LOG_FORMAT,
    &OTLP_ENDPOINT,
    &SEED,
    &STAY_SCALE,
    &BACKFILL,
    &ARRIVALS,
    &DUPLICATE_SHARE,
    &LATE_SHARE,
    &LATE_BY,
    &LOST_ENTRY_SHARE,
    &LOST_EXIT_SHARE,
    &STRANGER_SHARE,
];

/// What every service reads, whatever it does.
pub const OF_SERVICES: &[&Setting] = &[&LISTEN, &PUBLIC_HOSTS, &DRAIN, &LOG, &LOG_FORMAT, &OTLP_ENDPOINT];
/// What whoever uses the queues reads.
pub const OF_QUEUES: &[&Setting] = &[&AMQP_URL, &QUEUE_ENTRY, &QUEUE_EXIT, &QUEUE_DEAD, &QUEUE_TYPE, &QUEUE_DECLARE];
/// What simulated gates read.
pub const OF_GATES: &[&Setting] = &[
    &LOTS,
    &SEED,
    &STAY_SCALE,
    &BACKFILL,
    &ARRIVALS,
    &DUPLICATE_SHARE,
    &LATE_SHARE,
    &LATE_BY,
    &LOST_ENTRY_SHARE,
    &LOST_EXIT_SHARE,
    &STRANGER_SHARE,
];
/// What a command reads that does one thing and ends.
pub const OF_COMMANDS: &[&Setting] = &[&LOG, &LOG_FORMAT];
