//! Which requests a listener serves: only those for its own host names (against DNS rebinding), and none that a page
//! of another site sent (against cross-site requests).
//!
//! Both checks use headers that a web page can't choose: `Host`, `Origin` and `Sec-Fetch-*`. A program that sends
//! neither `Origin` nor `Sec-Fetch-Site` passes. The service checks tokens.

use std::fmt;
use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, header};
use settings::{Host, PublicHosts};

use super::OBSERVABILITY;
use super::refusal::Refusal;

type Trust = dyn Fn(&str, &HeaderMap) -> bool + Send + Sync;

/// Decides which requests a listener serves. By default only `localhost` and IP addresses are hosts, and no path is a
/// page.
#[derive(Clone)]
pub struct Guard {
    hosts: PublicHosts,
    trusts: Arc<Trust>,
    is_page: fn(&str) -> bool,
    /// Whether the port has TLS, so that its own pages do too.
    has_tls: bool,
}

impl Default for Guard {
    fn default() -> Self {
        Self::new(PublicHosts::default())
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Guard").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Guard {
    /// Serves requests for `localhost`, IP addresses and these hosts.
    pub fn new(hosts: PublicHosts) -> Self {
        Self { hosts, trusts: Arc::new(|_, _| false), is_page: |_| false, has_tls: false }
    }

    /// Accepts any host in requests whose headers, on this path, prove that the client knows a secret: a web page
    /// can't know it.
    #[must_use]
    pub fn trusting(mut self, trusts: impl Fn(&str, &HeaderMap) -> bool + Send + Sync + 'static) -> Self {
        self.trusts = Arc::new(trusts);
        self
    }

    /// Sets the paths of pages, to which links on other sites are allowed.
    #[must_use]
    pub fn with_pages(mut self, is_page: fn(&str) -> bool) -> Self {
        self.is_page = is_page;
        self
    }

    /// Sets whether the port has TLS: then pages without it are of another site, since anybody on the way can forge
    /// them.
    #[must_use]
    pub(super) fn over_tls(self, has_tls: bool) -> Self {
        Self { has_tls, ..self }
    }

    /// Checks the head of a request.
    pub(super) fn check(&self, head: &Parts) -> Result<(), Refusal> {
        let (path, headers) = (head.uri.path(), &head.headers);
        let asked = asked_address(&head.uri, headers)?;
        if !self.hosts.include(&asked.host) && !OBSERVABILITY.contains(&path) && !(self.trusts)(path, headers) {
            return Err(Refusal::foreign_host(&asked.to_string()));
        }
        if self.is_of_other_site(&asked, headers) && !self.is_visit(head) {
            return Err(Refusal::cross_site());
        }
        Ok(())
    }

    /// Whether a page of another site sent the request, as reported by the browser. `Origin` is more exact than
    /// `Sec-Fetch-Site`: for the latter, a page over http is another site than this one over https.
    fn is_of_other_site(&self, asked: &Address, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => {
                let mut sites = headers.get_all("sec-fetch-site").iter();
                !sites.all(|site| site == "same-origin" || site == "none")
            }
            (Some(origin), None) => {
                let origin = origin.to_str().ok().and_then(|origin| Address::of_origin(origin, self.has_tls));
                !origin.is_some_and(|origin| self.is_own(&origin, asked))
            }
            (Some(_), Some(_)) => true,
        }
    }

    /// Whether an origin is the requested address, or a public host if a proxy sets another `Host`.
    fn is_own(&self, origin: &Address, asked: &Address) -> bool {
        let is_behind_proxy = origin.host != asked.host && origin.port.is_none();
        origin == asked || (is_behind_proxy && self.hosts.name(&origin.host))
    }

    /// Whether the request opens a page in its own tab, as a link does.
    fn is_visit(&self, head: &Parts) -> bool {
        let is = |name: &str, wanted: &str| {
            let mut values = head.headers.get_all(name).iter();
            values.next().is_some_and(|value| value == wanted) && values.next().is_none()
        };
        let path = head.uri.path();
        (head.method == Method::GET || head.method == Method::HEAD)
            && is("sec-fetch-mode", "navigate")
            && is("sec-fetch-dest", "document")
            && (OBSERVABILITY.contains(&path) || (self.is_page)(path))
    }
}

/// A host and a port. The default ports of http and https count as no port, because a proxy may speak http here and
/// https to browsers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    host: Host,
    port: Option<u16>,
}

impl Address {
    /// Parses `host` or `host:port`.
    fn parse(text: &str) -> Option<Self> {
        let colon = text.rfind(':').filter(|colon| !text[*colon..].contains(']'));
        let (host, port) = colon.map_or((text, ""), |colon| (&text[..colon], &text[colon + 1..]));
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let port = if port.is_empty() { None } else { Some(port.parse().ok()?) };
        Some(Self { host: Host::parse(host)?, port: port.filter(|port| ![80, 443].contains(port)) })
    }

    /// Parses an origin such as `https://parking.example`. Returns `None` for `null`, for origins that are not web
    /// pages, and for those without TLS if they need it.
    fn of_origin(text: &str, needs_tls: bool) -> Option<Self> {
        let (scheme, address) = text.split_once("://")?;
        let is_web = scheme.eq_ignore_ascii_case("https") || (!needs_tls && scheme.eq_ignore_ascii_case("http"));
        if is_web { Self::parse(address) } else { None }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => write!(formatter, "{ip}"),
            Host::Name(name) => formatter.write_str(name),
        }
    }
}

/// The address of a request: its only `Host`, with which a target in absolute form must agree.
fn asked_address(uri: &Uri, headers: &HeaderMap) -> Result<Address, Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let only = match (hosts.next(), hosts.next()) {
        (None, _) => return Err(Refusal::bad_host("the header Host is missing")),
        (Some(_), Some(_)) => return Err(Refusal::bad_host("there is more than one header Host")),
        (Some(only), None) => only,
    };
    let invalid = || Refusal::bad_host("the header Host is not a host name or IP address with an optional port");
    let asked = only.to_str().ok().and_then(Address::parse).ok_or_else(invalid)?;
    match uri.authority() {
        Some(target) if Address::parse(target.as_str()).as_ref() != Some(&asked) => {
            Err(Refusal::bad_host("the header Host and the address in the request line differ"))
        }
        Some(_) | None => Ok(asked),
    }
}

#[cfg(test)]
mod tests;
