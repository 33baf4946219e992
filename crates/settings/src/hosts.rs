//! Host names: parsing one, and the set of names of a service.
//!
//! `service_kit::http::Guard` handles requests for other hosts.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The maximum length of a DNS name, in bytes.
const NAME_BYTES_MAX: usize = 253;

/// A host of a URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// An IPv4 address, or an IPv6 address in brackets.
    Ip(IpAddr),
    /// A name in lower case, without a trailing dot.
    Name(String),
}

impl Host {
    /// Parses a host without its port; `None` if it is invalid.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(bracketed) = text.strip_prefix('[') {
            let ip: Ipv6Addr = bracketed.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Ip(ip.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if let Ok(ip) = name.parse::<Ipv4Addr>() {
            return Some(Self::Ip(ip.into()));
        }
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let is_name = name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label);
        is_name.then(|| Self::Name(name.to_ascii_lowercase()))
    }
}

/// The host names of a service, besides `localhost` and IP addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicHosts(BTreeSet<Host>);

impl PublicHosts {
    /// Parses host names.
    ///
    /// # Errors
    /// The first one that is not a host name, and what is wrong with it.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        names.into_iter().map(|name| Host::parse(name).ok_or_else(|| fault(name))).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the host is one of these names.
    pub fn name(&self, host: &Host) -> bool {
        self.0.contains(host)
    }

    /// Whether a request for this host is meant for the service. A web page can't make a browser take its own host
    /// for an IP address or `localhost`, so these are safe from DNS rebinding.
    pub fn include(&self, host: &Host) -> bool {
        match host {
            Host::Ip(_) => true,
            Host::Name(name) => name == "localhost" || self.name(host),
        }
    }
}

fn fault(name: &str) -> String {
    let fault = if name.contains("://") {
        "has a scheme"
    } else if name.contains(char::is_whitespace) {
        "contains a blank"
    } else if name.contains(':') {
        "has a port, or is an IPv6 address without brackets"
    } else if name.contains('/') {
        "has a path"
    } else {
        "is not a host name"
    };
    format!("{name:?} {fault}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_ip_literals_and_the_named_hosts_are_own_hosts() {
        let hosts = PublicHosts::parse(["Parking.example.", "api"]).unwrap();
        let is_own = |text: &str| Host::parse(text).is_some_and(|host| hosts.include(&host));
        for own in ["localhost", "LocalHost.", "127.0.0.1", "10.1.2.3", "[::1]", "[fd00::7]", "parking.EXAMPLE", "api."]
        {
            assert!(is_own(own), "{own}");
        }
        for foreign in ["evil.example", "a.localhost", "localhost.evil.example", "parking.example.evil", "0x7f.1", "1"]
        {
            assert!(Host::parse(foreign).is_some() && !is_own(foreign), "{foreign}");
        }
    }

    #[test]
    fn what_is_no_host_is_not_read() {
        let long = "a".repeat(NAME_BYTES_MAX + 1);
        for text in
            ["", ".", "a..b", "localhost..", "::1", "[::1", "[127.0.0.1]", "a b", "a@b", "a/b", "a%20b", "ä", &long]
        {
            assert_eq!(Host::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_public_host_has_no_scheme_port_blank_or_path() {
        for (name, fault) in [
            ("https://parking.example", "has a scheme"),
            ("parking.example:443", "has a port"),
            ("parking example", "contains a blank"),
            ("parking.example/", "has a path"),
            ("*.example", "is not a host name"),
        ] {
            let error = PublicHosts::parse(["api", name]).unwrap_err();
            assert!(error.contains(fault) && error.contains(name), "{error}");
        }
    }
}
