//! Reverse proxies whose header is believed: the networks that they send from.
//!
//! Which header names the user, and that it is dropped when it comes from anywhere else, is left to the HTTP face.

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

    /// Whether a request from this address comes from a trusted proxy.
    pub fn contain(&self, address: IpAddr) -> bool {
        let bits = bits(address);
        self.0.iter().any(|network| bits & network.mask == network.address)
    }

    /// Whether no proxy is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
    fn only_named_addresses_are_trusted() {
        assert!(TrustedProxies::parse("").unwrap().is_empty() && !contains("", "127.0.0.1"));
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
