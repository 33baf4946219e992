//! Which addresses messages may go to: those of the public internet, so that a webhook is no way to the services of this
//! machine and of its network. Pure.
//!
//! The text of an address is checked when a webhook is made and at each attempt; what a name resolves to is checked by
//! the resolver of the connection that is made, so that a name can't change its mind in between (DNS rebinding).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Whether messages may go to private, loopback and link-local addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PrivateAddresses {
    /// Only public addresses, by `https`.
    #[default]
    Refused,
    /// Any address, also by `http`.
    Allowed,
}

/// The longest address of a receiver, bytes.
const URL_BYTES_MAX: usize = 2_000;
const REMEDY: &str = "DWELL_WEBHOOK_PRIVATE_ADDRESSES=allowed allows that";

impl PrivateAddresses {
    /// Checks the address of a receiver. What its name resolves to is checked at each attempt.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence. The text does not repeat the address.
    pub fn check(self, text: &str) -> Result<Url, String> {
        if text.len() > URL_BYTES_MAX {
            return Err(format!("is longer than {URL_BYTES_MAX} bytes"));
        }
        let url = Url::parse(text).map_err(|error| format!("is no URL ({error})"))?;
        match (url.scheme(), self) {
            ("https", _) | ("http", Self::Allowed) => {}
            ("http", Self::Refused) => return Err(format!("needs https; {REMEDY}")),
            _ => return Err("has a scheme other than https".to_owned()),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("has a user or a password; the receiver verifies the signature instead".to_owned());
        }
        if url.fragment().is_some() {
            return Err("has a fragment, which no receiver gets".to_owned());
        }
        let address = match url.host() {
            None => return Err("has no host".to_owned()),
            Some(Host::Domain(_)) => return Ok(url),
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
        };
        if self.allows(address) { Ok(url) } else { Err(format!("is {address}, which is not public; {REMEDY}")) }
    }

    /// Whether messages may go to this address.
    pub fn allows(self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::Allowed, _) => true,
            (Self::Refused, IpAddr::V4(address)) => is_public_v4(address),
            (Self::Refused, IpAddr::V6(address)) => is_public_v6(address),
        }
    }
}

/// Whether the address is one of the public internet.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        // This network, and what is reserved up to the broadcast address.
        || first == 0
        || first >= 240
        // Of carriers, of protocols, of benchmarks, and relays of 6to4.
        || (first == 100 && (64..128).contains(&second))
        || (first, second, third) == (192, 0, 0)
        || (first == 198 && (18..20).contains(&second))
        || (first, second, third) == (192, 88, 99);
    !is_special
}

/// Whether the address is one of the public internet; one that carries an IPv4 address is as public as that one.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let carried = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            carried(high, low)
        }
        // Teredo and other protocols, and two ranges for documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_allowed() {
        let allows = |text: &str| PrivateAddresses::Refused.allows(text.parse().unwrap());
        for public in
            ["1.1.1.1", "93.184.215.14", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2606:4700::1"]
        {
            assert!(allows(public), "{public}");
        }
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::127.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!allows(private), "{private}");
            assert!(PrivateAddresses::Allowed.allows(private.parse().unwrap()), "{private}");
        }
        for carried in ["::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"] {
            assert!(allows(carried), "{carried}");
        }
    }

    #[test]
    fn a_private_address_is_noticed_in_each_of_its_spellings() {
        for text in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://10.1/",
            "https://0/",
            "https://[::1]/",
            "https://[::ffff:7f00:1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://①②⑦.0.0.1/",
        ] {
            let fault = PrivateAddresses::Refused.check(text).unwrap_err();
            assert!(fault.contains("which is not public"), "{text}: {fault}");
        }
    }

    #[test]
    fn an_address_is_https_without_user_and_fragment() {
        let check = |policy: PrivateAddresses, text: &str| policy.check(text).map(|url| url.to_string());
        for (text, fault) in [
            ("http://billing.example/", "needs https; DWELL_WEBHOOK_PRIVATE_ADDRESSES=allowed allows that"),
            ("ftp://billing.example/", "has a scheme other than https"),
            ("https://user:hidden@billing.example/", "has a user or a password"),
            ("https://billing.example/#x", "has a fragment, which no receiver gets"),
            ("billing", "is no URL (relative URL without a base)"),
        ] {
            let refused = check(PrivateAddresses::Refused, text).unwrap_err();
            assert!(refused.starts_with(fault) && !refused.contains("hidden"), "{text}: {refused}");
        }
        assert!(check(PrivateAddresses::Refused, &format!("https://x.example/{}", "x".repeat(2_000))).is_err());
        assert_eq!(
            check(PrivateAddresses::Refused, "HTTPS://Billing.Example:8443/hook?x=1").as_deref(),
            Ok("https://billing.example:8443/hook?x=1")
        );
        assert_eq!(check(PrivateAddresses::Allowed, "http://127.0.0.1:9/x").as_deref(), Ok("http://127.0.0.1:9/x"));
        assert!(check(PrivateAddresses::Allowed, "ftp://127.0.0.1/").is_err());
    }
}
