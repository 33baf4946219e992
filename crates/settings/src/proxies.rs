//! Reverse proxies whose header is believed: the networks that they send from, and the client that they name.
//!
//! Reading the header is left to the HTTP server.

use std::net::IpAddr;

/// Networks of trusted reverse proxies; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: u128,
    mask: u128,
}

/// Why a text is no list of networks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{network} is not an IP address or a network such as 10.0.0.0/8 or fd00::/8: {problem}")]
pub struct NetworkFault {
    /// The part that is wrong.
    network: String,
    problem: &'static str,
}

impl TrustedProxies {
    /// Reads addresses and networks that are separated by commas.
    ///
    /// # Errors
    /// The first part that is none.
    pub fn parse(text: &str) -> Result<Self, NetworkFault> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let read = |part: &str| Network::parse(part).map_err(|problem| NetworkFault { network: part.into(), problem });
        parts.map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The address of the client: that of the connection, or the last one that a chain of trusted proxies names.
    /// `forwarded` has the addresses of `X-Forwarded-For` in order; each proxy appends the one that it has seen.
    pub fn client<'a>(&self, connection: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        let mut client = connection;
        for named in forwarded.rev() {
            if !self.contain(client) {
                break;
            }
            // A proxy that does not know the address, or does not tell it, ends the chain.
            let Ok(address) = named.trim().parse() else { break };
            client = address;
        }
        client
    }

    /// Whether a request from this address comes from a trusted proxy.
    pub fn contain(&self, address: IpAddr) -> bool {
        let bits = bits(address);
        self.0.iter().any(|network| bits & network.mask == network.address)
    }
}

impl Network {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| "the address is not one")?;
        let family_bits = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => family_bits,
            Some(length) => {
                length.parse().ok().filter(|length| *length <= family_bits).ok_or("its length is not one")?
            }
        };
        // Everybody: then the header would be an open door.
        if length == 0 {
            return Err("it is every address");
        }
        let mask = u128::MAX << (family_bits - length);
        let address = bits(address);
        // Bits behind the mask are mostly a slip: 10.0.0.1/8 for 10.0.0.1.
        if address & !mask == 0 { Ok(Self { address, mask }) } else { Err("it has bits set behind its length") }
    }
}

/// IPv4 addresses are those of `::ffff:0:0/96`: a socket for both families shows them so.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(networks: &str, address: &str) -> bool {
        TrustedProxies::parse(networks).unwrap().contain(address.parse().unwrap())
    }

    #[test]
    fn a_chain_of_trusted_proxies_names_the_client_and_no_other_does() {
        let client = |connection: &str, forwarded: &str| {
            let proxies = TrustedProxies::parse("127.0.0.0/8,10.1.0.0/16,fd00::/8").unwrap();
            proxies.client(connection.parse().unwrap(), forwarded.split(',')).to_string()
        };
        assert_eq!(client("127.0.0.1", "198.51.100.1, 203.0.113.7"), "203.0.113.7");
        assert_eq!(client("127.0.0.1", "198.51.100.1, 203.0.113.7, 10.1.0.9"), "203.0.113.7");
        assert_eq!(client("fd00::2", "2001:db8::9"), "2001:db8::9");
        assert_eq!(client("127.0.0.1", "unknown"), "127.0.0.1");
        assert_eq!(client("127.0.0.1", "203.0.113.7, unknown, 10.1.0.9"), "10.1.0.9");
        assert_eq!(client("192.0.2.1", "203.0.113.7"), "192.0.2.1");
        assert_eq!(client("10.1.0.9", "10.1.0.8"), "10.1.0.8");
    }

    #[test]
    fn only_named_addresses_are_trusted() {
        assert!(!contains("", "127.0.0.1"));
        let networks = "127.0.0.1, 10.1.0.0/16,fd00::/8";
        for inside in ["127.0.0.1", "::ffff:127.0.0.1", "10.1.255.255", "fd00::1", "fdff::1"] {
            assert!(contains(networks, inside), "{inside}");
        }
        for outside in ["127.0.0.2", "10.2.0.1", "10.0.255.255", "fe00::1", "::1", "::7f00:1"] {
            assert!(!contains(networks, outside), "{outside}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_and_so_is_every_address() {
        for wrong in
            ["localhost", "10.0.0.0/33", "10.0.0.1/8", "fd00::/129", "0.0.0.0/0", "::/0", "10.0.0.0/", "10.0.0/8"]
        {
            let fault = TrustedProxies::parse(&format!("127.0.0.1,{wrong}")).unwrap_err().to_string();
            assert!(fault.starts_with(wrong), "{fault}");
        }
    }
}
