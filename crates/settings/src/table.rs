//! The table of all settings: name, meaning, default and allowed values.
//!
//! Flags, `--help`, the refusal of unknown names and every error text use it. [`Settings`](super::Settings) reads the
//! values.

/// A setting, given by environment variable or flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The name of the environment variable, for instance `DWELL_AMQP_URL`.
    pub name: &'static str,
    /// Its purpose, in one line.
    pub help: &'static str,
    /// The default value.
    pub default: Option<&'static str>,
    /// The allowed values, for error texts.
    pub allowed: &'static str,
    /// Whether the value is a secret as a whole. (Passwords within URLs are always redacted.)
    pub secret: bool,
    /// Whether the value is a list of plates, which no log shows.
    pub plates: bool,
    /// Whether a file can hold the value: the variable with [`FILE_SUFFIX`] names it.
    pub in_file: bool,
}

/// `DWELL_AMQP_URL_FILE` names a file with the value of `DWELL_AMQP_URL`. Only values that may contain a secret have
/// such a variable.
pub const FILE_SUFFIX: &str = "_FILE";

/// The prefix of every variable.
pub const PREFIX: &str = "DWELL_";

impl Setting {
    const fn new(name: &'static str, default: Option<&'static str>, allowed: &'static str, help: &'static str) -> Self {
        Self { name, help, default, allowed, secret: false, plates: false, in_file: false }
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self.in_file()
    }

    const fn in_file(mut self) -> Self {
        self.in_file = true;
        self
    }

    const fn plates(mut self) -> Self {
        self.plates = true;
        self
    }

    /// Whether the setting is either on or off. Its flag alone means on.
    pub fn is_switch(&self) -> bool {
        self.allowed == ON_OFF
    }

    /// The flag of the setting, without its two dashes: `DWELL_AMQP_URL` has the flag `amqp-url`.
    pub fn flag(&self) -> String {
        self.name.trim_start_matches(PREFIX).to_ascii_lowercase().replace('_', "-")
    }
}

const ON_OFF: &str = "on or off";
const DURATION: &str = "a duration such as 250ms, 30s, 10m, 1h or 30d";
const SHARE: &str = "a share from 0 to 1, for instance 0.2";
const QUEUE_NAME: &str = "a queue name of 1 to 255 bytes";

/// Makes a constant of each setting, and [`ALL`] of them. The doc comment is the help text; the default follows the
/// name, the allowed values follow the colon. A word behind them says that the value is a `secret` or a list of
/// `plates`, which are not shown, or that it may contain a secret and so may come from a file (`in_file`).
macro_rules! settings {
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
    ($($(#[doc = $help:literal])+ $name:ident $(= $default:literal)? : $allowed:expr $(, $content:ident)? ;)+) => {
        $(
            $(#[doc = $help])+
            pub const $name: Setting = Setting::new(
                concat!("DWELL_", stringify!($name)),
                settings!(@default $($default)?),
                $allowed,
                concat!($($help),+).trim_ascii_start(),
            )$(.$content())?;
        )+

        /// Every setting, in the order of `--help`.
        pub const ALL: &[&Setting] = &[$(&$name),+];
    };
}

settings! {
    /// File with settings, for what neither flags nor the environment give
    CONFIG: "the path of a TOML file with lines such as DWELL_HOLD = \"30s\"";
    /// Address that this service listens on
    LISTEN: "host:port, for instance 127.0.0.1:5000, 0.0.0.0:5000 or [::1]:5000";
    /// Address on which the gateway shows its metrics and its health
    METRICS_LISTEN = "127.0.0.1:2115": "host:port, for instance 127.0.0.1:2115, 0.0.0.0:2115 or [::1]:2115";
    /// Address on which the gateway takes events over gRPC; `dwell` does so only if it is set
    GRPC_LISTEN: "host:port, for instance 127.0.0.1:50051, 0.0.0.0:50051 or [::1]:50051";
    /// Host names that this service is reached by, besides localhost and IP addresses
    PUBLIC_HOSTS: "host names without scheme and port, separated by commas, for instance parking.example,api";
    /// Reverse proxies that name their clients in X-Forwarded-For, so that failures slow down the client's address
    TRUSTED_PROXIES = "127.0.0.0/8,::1": "IP addresses and networks, separated by commas, for instance 127.0.0.0/8,10.0.0.5";
    /// File of the certificate of this process's ports, which then speak TLS; without it, they do not
    TLS_CERT_FILE: "the path of a PEM file: the certificate, then those of its intermediate authorities";
    /// File of the private key of that certificate; certificate and key are read again when they change
    TLS_KEY_FILE: "the path of a PEM file with one private key that is not encrypted";
    /// File of the authorities of clients' certificates; without it, clients need no certificate
    TLS_CLIENT_CA_FILE: "the path of a PEM file with the certificates of one or more authorities";
    /// File of authorities that servers' certificates may be of, besides those of the system
    CA_FILE: "the path of a PEM file with the certificates of one or more authorities";
    /// File of the certificate that this process shows to servers that need one
    CLIENT_CERT_FILE: "the path of a PEM file: the certificate, then those of its intermediate authorities";
    /// File of the private key of that certificate
    CLIENT_KEY_FILE: "the path of a PEM file with one private key that is not encrypted";
    /// RabbitMQ, which carries the gate events
    AMQP_URL: "an AMQP URL such as amqp://user:password@host:5672/%2f, or amqps:// for TLS", in_file;
    /// MQTT broker whose messages the gateway takes; without it, none
    MQTT_URL: "an MQTT URL such as mqtt://user:password@host:1883, or mqtts:// for TLS", in_file;
    /// Name of the gateway at the MQTT broker; each gateway needs its own
    MQTT_CLIENT_ID = "dwell-gateway": "a name of 1 to 128 bytes";
    /// MQTT topics on which gate events are sent in their own form; those of cameras are in the lots file
    MQTT_TOPICS: "topic filters, separated by commas, for instance site/+/events";
    /// Queue of entry events
    QUEUE_ENTRY = "parking.entry": QUEUE_NAME;
    /// Queue of exit events
    QUEUE_EXIT = "parking.exit": QUEUE_NAME;
    /// Queue of dead letters
    QUEUE_DEAD = "parking.dead": QUEUE_NAME;
    /// Type of the queues in RabbitMQ
    QUEUE_TYPE = "quorum": "quorum or classic";
    /// Whether queues are declared at start
    QUEUE_DECLARE = "active": "active (declare the queues) or passive (take them as they are)";
    /// Messages that a consumer may hold unacknowledged, for each queue
    PREFETCH = "8000": "a whole number of messages from 1 to 32000";
    /// Redis, the shared cache of timelines; without it the cache is in memory
    REDIS_URL: "a Redis URL such as redis://:password@host:6379/0, or rediss:// for TLS", in_file;
    /// The summary API, which records the sessions and has the tokens
    SUMMARY_API_URL: "an HTTP URL such as http://127.0.0.1:5000, or https:// for TLS";
    /// Shared secret of /internal/v1; beyond loopback, correlators and gateways need it or a token of their own
    INTERNAL_TOKEN:
        "a secret of at least 16 visible ASCII characters, the same for the summary API, its correlators and its gateways", secret;
    /// Token that commands, correlators and gateways send to the summary API, and dwell publish --http to a gateway
    API_TOKEN: "a token that dwell token create has printed", secret;
    /// Whether clients of the summary API and senders of the gateway need a token; without it, they do beyond loopback
    ACCESS: "required (every client needs a token) or open (every client that reaches the port may use it)";
    /// File of the tokens that the summary API accepts, or a gateway instead of the summary API's; dwell token writes it
    TOKENS_FILE: "the path of a TOML file of tokens";
    /// The ledger; without it, SQLite in the data folder
    DATABASE_URL: "sqlite:PATH or postgres://user:password@host:5432/database, with ?sslmode=verify-full for TLS", in_file;
    /// Where the summary API keeps answers of GraphQL, for a second at most
    ANSWER_CACHE = "memory": "memory, off, or a Redis URL such as redis://:password@host:6379/0, or rediss:// for TLS", in_file;
    /// Whether webhooks may go to private, loopback and link-local addresses, and by plain HTTP (summary API)
    WEBHOOK_PRIVATE_ADDRESSES = "refused": "refused or allowed";
    /// Folder of the embedded bus and ledger
    DATA_DIR = "./dwell-data": "a folder that can be written, for one process at a time";
    /// File of lots: capacity, kind, time zone, max stay
    LOTS: "the path of a TOML file of lots";
    /// How long an exit waits for a late entry (summary API)
    HOLD = "30s": DURATION;
    /// Reads at most this far apart are one passage; without it the ledger's own, 60s in a new ledger (summary API)
    RE_READ_WINDOW: DURATION;
    /// The longest stay that can match; without it the ledger's own, 30d in a new ledger (summary API)
    MAX_STAY: DURATION;
    /// Plates that mean that nothing was read, besides all zeros and reads without a letter or digit; without it the
    /// ledger's own, in a new ledger NOPLATE, NOPLATEDETECTED, NOTREAD, UNREAD, UNREADABLE, UNRECOGNIZED, UNKNOWN,
    /// UNKNOWNPLATE, UNLICENSED, UNDEFINED, NODATA, NONE, NULL, NAN, NA, 无车牌, 无牌车, 未识别 (summary API)
    UNREAD_PLATES: "plates, separated by commas", plates;
    /// Also match exits and entries whose plates differ, by likelihood (dwell replay)
    MISREADS = "off": ON_OFF;
    /// Events that the correlator decides and records together, at most
    BATCH_EVENTS = "4000": "a whole number of events from 1 to 10000";
    /// Batches that the correlator has under way at once
    BATCHES_IN_FLIGHT = "4": "a whole number of batches from 1 to 64";
    /// How long a stop may take to finish the work under way
    DRAIN = "10s": DURATION;
    /// How much is logged
    LOG = "info": "error, warn, info, debug, trace or off, also for parts: info,correlator=debug";
    /// Format of the log; without it, text on a terminal, else json
    LOG_FORMAT: "text or json";
    /// OpenTelemetry collector that spans are sent to (OTLP over HTTP); without it, none are
    OTLP_ENDPOINT: "an HTTP URL such as http://127.0.0.1:4318, or https:// for TLS";
    /// Seed of the simulated traffic; the entry and the exit service need the same
    SEED = "1": "a whole number from 0 to 18446744073709551615";
    /// Simulated stays are real stays divided by this
    STAY_SCALE = "60": "a number from 1 to 100000";
    /// How much of the past the simulator publishes at start
    BACKFILL = "1h": DURATION;
    /// Factor on the arrival rates of the simulated lots
    ARRIVALS = "1": "a factor from 0 to 100000";
    /// Share of the simulated events that come twice
    DUPLICATE_SHARE = "0.01": SHARE;
    /// Share of the simulated events that come late
    LATE_SHARE = "0.02": SHARE;
    /// How late a simulated event comes, at most
    LATE_BY = "20s": DURATION;
    /// Share of the simulated entries that are lost
    LOST_ENTRY_SHARE = "0": SHARE;
    /// Share of the simulated exits that are lost
    LOST_EXIT_SHARE = "0": SHARE;
    /// Share of the simulated exits whose vehicle never came in
    STRANGER_SHARE = "0.2": SHARE;
}

/// The settings of every service.
pub const OF_SERVICES: &[&Setting] = &[
    &CONFIG,
    &LISTEN,
    &PUBLIC_HOSTS,
    &TLS_CERT_FILE,
    &TLS_KEY_FILE,
    &TLS_CLIENT_CA_FILE,
    &CA_FILE,
    &CLIENT_CERT_FILE,
    &CLIENT_KEY_FILE,
    &DRAIN,
    &LOG,
    &LOG_FORMAT,
    &OTLP_ENDPOINT,
];
/// The settings of services and commands that use the queues.
pub const OF_QUEUES: &[&Setting] = &[&AMQP_URL, &QUEUE_ENTRY, &QUEUE_EXIT, &QUEUE_DEAD, &QUEUE_TYPE, &QUEUE_DECLARE];
/// The settings of TLS with servers.
pub const OF_LINKS: &[&Setting] = &[&CA_FILE, &CLIENT_CERT_FILE, &CLIENT_KEY_FILE];
/// The settings of simulated gates.
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
/// The settings of a command that does one thing and ends.
pub const OF_COMMANDS: &[&Setting] = &[&CONFIG, &LOG, &LOG_FORMAT];
