//! Claims about hosts and cross-site requests, as tables from a head to a status.

use axum::http::{HeaderName, HeaderValue, Request};

use super::*;

const TOKEN: &str = "Bearer 0123456789abcdef";
const OWN: (&str, &str) = ("host", "parking.example");

fn guard() -> Guard {
    let hosts = PublicHosts::parse(["parking.example", "api"]).unwrap();
    Guard::new(hosts).with_pages(|path| path == "/stays").trusting(|path, headers| {
        path.starts_with("/internal/") && headers.get("authorization").is_some_and(|t| t == TOKEN)
    })
}

/// The status of the refusal; 0 if the request passes.
fn status(method: &Method, target: &str, headers: &[(&str, &str)]) -> u16 {
    let mut head = Request::builder().method(method).uri(target).body(()).unwrap().into_parts().0;
    for (name, value) in headers {
        head.headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    guard().check(&head).err().map_or(0, |refusal| refusal.status().as_u16())
}

fn get(target: &str, headers: &[(&str, &str)]) -> u16 {
    status(&Method::GET, target, headers)
}

#[test]
fn a_request_for_another_host_is_misdirected_on_every_route_but_health_and_metrics() {
    for host in
        ["attacker.example", "attacker.example:5000", "localhost.attacker.example", "parking.example.", "api:5000"]
    {
        let is_own = !host.contains("attacker");
        for path in ["/", "/api/v1/sessions", "/graphql?query={x}", "/internal/v1/terms", "/save_summary", "/metrics/"]
        {
            assert_eq!(get(path, &[("host", host)]), if is_own { 0 } else { 421 }, "{host} {path}");
        }
        for path in ["/livez", "/readyz", "/readyz?verbose", "/metrics"] {
            assert_eq!(get(path, &[("host", host)]), 0, "{host} {path}");
        }
    }
}

#[test]
fn a_valid_token_may_carry_any_host_on_its_routes_only() {
    let headers = [("host", "attacker.example"), ("authorization", TOKEN)];
    assert_eq!(get("/internal/v1/terms", &headers), 0);
    assert_eq!(get("/api/v1/sessions", &headers), 421);
    let wrong = [("host", "attacker.example"), ("authorization", "Bearer wrong")];
    assert_eq!(get("/internal/v1/terms", &wrong), 421);
}

#[test]
fn a_request_without_exactly_one_valid_host_is_refused_everywhere() {
    for path in ["/", "/livez", "/metrics", "/internal/v1/terms"] {
        assert_eq!(get(path, &[]), 400, "{path}");
        assert_eq!(get(path, &[("host", "localhost"), ("host", "localhost")]), 400, "{path}");
        for invalid in
            ["", ":5000", "localhost:x", "localhost:65536", "user@localhost", "a b", "::1", "[::1", "localhost/"]
        {
            assert_eq!(get(path, &[("host", invalid)]), 400, "{path} {invalid}");
        }
    }
    for valid in ["localhost", "localhost:", "LOCALHOST:5000", "127.0.0.1:1", "[::1]", "[::1]:5000"] {
        assert_eq!(get("/", &[("host", valid)]), 0, "{valid}");
    }
}

#[test]
fn an_address_in_the_request_line_counts_as_host_and_has_to_agree() {
    assert_eq!(get("http://localhost:5000/stays", &[("host", "localhost:5000")]), 0);
    assert_eq!(get("http://LOCALHOST/stays", &[("host", "localhost:80")]), 0);
    assert_eq!(get("http://localhost/stays", &[("host", "api")]), 400);
    assert_eq!(get("http://attacker.example/stays", &[("host", "localhost")]), 400);
    assert_eq!(get("http://user@localhost/stays", &[("host", "localhost")]), 400);
    assert_eq!(get("http://attacker.example/stays", &[("host", "attacker.example")]), 421);
    assert_eq!(get("http://localhost/stays", &[]), 400);
}

#[test]
fn what_sends_no_browser_headers_is_no_cross_site_request() {
    for method in [Method::GET, Method::POST] {
        assert_eq!(status(&method, "/save_summary", &[OWN]), 0);
    }
}

#[test]
fn pages_of_other_sites_are_refused_by_origin_on_every_route() {
    let of_origin = |host: &str, origin: &str| get("/api/v1/live", &[("host", host), ("origin", origin)]);
    for (host, origin) in [
        ("parking.example", "https://parking.example"),
        ("parking.example:443", "https://parking.example"),
        ("parking.example", "https://Parking.EXAMPLE:443"),
        ("parking.example:80", "http://parking.example"),
        ("localhost:5000", "http://localhost:5000"),
        ("[::1]:5000", "http://[::1]:5000"),
        // A proxy that sets its own name of this service as Host.
        ("api:5000", "https://parking.example"),
        ("127.0.0.1:5000", "https://parking.example"),
    ] {
        assert_eq!(of_origin(host, origin), 0, "{host} {origin}");
    }
    for (host, origin) in [
        ("parking.example", "https://attacker.example"),
        ("parking.example", "null"),
        ("parking.example", ""),
        ("parking.example", "parking.example"),
        ("parking.example", "file://parking.example"),
        ("parking.example", "https://parking.example/"),
        ("parking.example", "https://parking.example:8443"),
        ("parking.example:8443", "https://parking.example"),
        ("api:5000", "https://parking.example:8443"),
        ("localhost:5000", "http://localhost:8000"),
        ("localhost:5000", "http://127.0.0.1:5000"),
        ("localhost:5000", "http://10.0.0.7"),
    ] {
        assert_eq!(of_origin(host, origin), 403, "{host} {origin}");
    }
    for path in ["/", "/stays", "/livez", "/metrics", "/graphql", "/save_summary", "/internal/v1/terms", "/nowhere"] {
        let headers = [OWN, ("origin", "https://attacker.example"), ("sec-fetch-site", "same-origin")];
        assert_eq!(get(path, &headers), 403, "{path}");
    }
    let two = [OWN, ("origin", "https://parking.example"), ("origin", "https://parking.example")];
    assert_eq!(get("/", &two), 403);
}

#[test]
fn pages_of_other_sites_are_refused_by_sec_fetch_site_on_every_route() {
    for path in ["/", "/stays", "/livez", "/metrics", "/graphql?query={x}", "/internal/v1/terms", "/nowhere"] {
        for (site, expected) in [
            ("none", 0),
            ("same-origin", 0),
            ("same-site", 403),
            ("cross-site", 403),
            ("", 403),
            ("same-origin, none", 403),
        ] {
            assert_eq!(get(path, &[OWN, ("sec-fetch-site", site)]), expected, "{path} {site}");
        }
    }
    let over_http = [OWN, ("sec-fetch-site", "cross-site"), ("origin", "http://parking.example")];
    assert_eq!(get("/api/v1/live", &over_http), 0);
}

#[test]
fn a_link_of_another_site_may_lead_to_a_page_and_to_nothing_else() {
    let visit = [OWN, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    for (path, expected) in [
        ("/stays", 0),
        ("/stays?lot_id=P3", 0),
        ("/metrics", 0),
        ("/graphql?query={x}", 403),
        ("/graphql", 403),
        ("/api/v1/sessions", 403),
        ("/internal/v1/terms", 403),
    ] {
        assert_eq!(get(path, &visit), expected, "{path}");
    }
    assert_eq!(status(&Method::HEAD, "/stays", &visit), 0);
    assert_eq!(status(&Method::POST, "/stays", &visit), 403);
    let framed = visit.map(|(name, value)| (name, if value == "document" { "iframe" } else { value }));
    assert_eq!(get("/stays", &framed), 403);
    let fetched = visit.map(|(name, value)| (name, if value == "navigate" { "no-cors" } else { value }));
    assert_eq!(get("/stays", &fetched), 403);
    let rebound = visit.map(|(name, value)| (name, if name == "host" { "attacker.example" } else { value }));
    assert_eq!(get("/stays", &rebound), 421);
}
