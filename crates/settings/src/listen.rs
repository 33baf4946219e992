//! Addresses to listen on: a host and a port, and whether other machines can reach it.
//!
//! `service_kit::http::bind` opens the socket.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A host (a name or an IP address) and a port; port 0 means any free one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl Listen {
    /// A port on loopback, which other machines can't reach.
    pub fn loopback(port: u16) -> Self {
        Self { host: "127.0.0.1".to_owned(), port }
    }

    /// Whether only this machine can reach the address.
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    }

    /// The address for clients on this machine: `0.0.0.0` is an address to listen on, not one to connect to.
    #[must_use]
    pub fn as_seen_from_here(&self) -> Self {
        let host = match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) if ip.is_unspecified() => "127.0.0.1".to_owned(),
            Ok(IpAddr::V6(ip)) if ip.is_unspecified() => "::1".to_owned(),
            Ok(_) | Err(_) => self.host.clone(),
        };
        Self { host, port: self.port }
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Listen {
    /// What is wrong, as text.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or("it has no port")?;
        let port = port.parse().map_err(|_| "its port is not a number from 0 to 65535")?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match bare {
            Some(ip) if ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) => Ok(Self { host: ip.to_owned(), port }),
            Some(_) => Err("the text in brackets is not an IPv6 address"),
            None if host.is_empty() => Err("it has no host"),
            None if host.contains(':') => Err("an IPv6 address needs brackets"),
            None if host.contains(|c: char| c.is_whitespace() || "/@?#[]".contains(c)) => {
                Err("its host is neither a name nor an IP address")
            }
            None => Ok(Self { host: host.to_owned(), port }),
        }
    }
}

/// Whether only this machine can reach the address.
pub fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for text in ["127.0.0.1:5000", "0.0.0.0:0", "[::1]:2112", "localhost:80", "summary-api:5000"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_reason() {
        let reason = |text: &str| text.parse::<Listen>().unwrap_err();
        assert_eq!(reason("localhost"), "it has no port");
        assert_eq!(reason("localhost:http"), "its port is not a number from 0 to 65535");
        assert_eq!(reason("127.0.0.1:65536"), "its port is not a number from 0 to 65535");
        assert_eq!(reason(":5000"), "it has no host");
        assert_eq!(reason("::1:5000"), "an IPv6 address needs brackets");
        assert_eq!(reason("[127.0.0.1]:5000"), "the text in brackets is not an IPv6 address");
        assert_eq!(reason("http://host:5000"), "an IPv6 address needs brackets");
        assert_eq!(reason("a host:5000"), "its host is neither a name nor an IP address");
    }

    #[test]
    fn loopback_is_known_in_every_form() {
        for text in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "LocalHost:1"] {
            assert!(text.parse::<Listen>().unwrap().is_loopback(), "{text}");
        }
        for text in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "localhost.example:1"] {
            assert!(!text.parse::<Listen>().unwrap().is_loopback(), "{text}");
        }
        assert!(is_loopback("[::ffff:127.0.0.1]:1".parse().unwrap()));
        assert!(!is_loopback("0.0.0.0:1".parse().unwrap()));
    }
}
