//! Claims about requests that a listener refuses, over a real connection, with any router.

use super::*;

const OUR_HOSTS: [&str; 1] = ["parking.example"];

/// The answer to one request, sent unchanged.
async fn answer(request: &str) -> String {
    let hosts = PublicHosts::parse(OUR_HOSTS).unwrap();
    let listener = bind(&Listen::loopback(0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let context = ServiceContext::for_testing();
    let routes = observability_routes(context.registry.clone(), context.health.clone());
    let routes = routes.route("/secret", get(|| async { "plates" }).post(|| async { "written" }));
    let server = Server::new(Guard::new(hosts)).shown_in(&context.registry).unwrap();
    let serving = tokio::spawn(server.serve(listener, routes, context.lifecycle.clone()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    // A refusal closes the connection; a served request closes it because of its header.
    let answer = rest_of(stream).await;
    context.lifecycle.stop();
    serving.await.unwrap();
    answer + &metrics::render(&context.registry)
}

#[tokio::test]
async fn a_foreign_host_is_answered_421_with_a_problem_that_names_the_setting() {
    let answer = answer("GET /secret HTTP/1.1\r\nHost: attacker.example\r\n\r\n").await;

    let (head, rest) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 421 Misdirected Request\r\n"), "{head}");
    assert!(head.contains("content-type: application/problem+json\r\n"), "{head}");
    assert!(rest.starts_with(r#"{"detail":"\"attacker.example\" is not a host name of this service: "#), "{rest}");
    assert!(rest.contains("DWELL_PUBLIC_HOSTS") && rest.contains(r#""status":421"#), "{rest}");
    assert!(rest.contains("dwell_http_requests_refused_total{reason=\"foreign_host\"} 1\n"), "{rest}");
}

#[tokio::test]
async fn requests_without_exactly_one_host_are_bad_ones_in_http_1_0_too() {
    for request in [
        "GET /livez HTTP/1.1\r\n\r\n",
        "GET /livez HTTP/1.0\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: local host\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost:\r\n\r\n",
        "GET http://attacker.example/livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let answer = answer(request).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.0 400 "), "{request:?}: {answer}");
    }
}

#[tokio::test]
async fn own_hosts_are_served_and_health_and_metrics_carry_any_host() {
    for request in [
        "GET /secret HTTP/1.1\r\nHost: localhost\r\n",
        "GET /secret HTTP/1.1\r\nHost: 127.0.0.1:5000\r\n",
        "GET /secret HTTP/1.1\r\nHost: [::1]\r\n",
        "GET /secret HTTP/1.0\r\nHost: PARKING.example.:443\r\n",
        "GET http://parking.example/secret HTTP/1.1\r\nHost: parking.example\r\n",
        "GET /livez HTTP/1.1\r\nHost: attacker.example\r\n",
        "GET /metrics HTTP/1.1\r\nHost: attacker.example\r\n",
    ] {
        let answer = answer(&format!("{request}Connection: close\r\n\r\n")).await;
        assert!(answer.contains(" 200 OK\r\n"), "{request:?}: {answer}");
    }
}

#[tokio::test]
async fn a_cross_site_request_is_answered_403_and_changes_nothing() {
    for header in ["Sec-Fetch-Site: cross-site", "Origin: https://attacker.example", "Origin: null"] {
        let answer =
            answer(&format!("POST /secret HTTP/1.1\r\nHost: localhost\r\n{header}\r\nContent-Length: 2\r\n\r\n{{}}"))
                .await;
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{header}: {answer}");
        assert!(!answer.contains("access-control-allow-origin"), "{answer}");
    }
}
