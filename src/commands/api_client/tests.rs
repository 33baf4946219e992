//! Claims about redirects, which are reported and never followed.

use axum::Router;
use axum::response::Redirect;

use super::*;

/// A server that redirects everything to this address, and its own address.
async fn redirecting(to: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().fallback(move || async move { Redirect::permanent(&to) });
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

#[tokio::test]
async fn a_redirect_is_reported_with_the_host_of_its_target_and_not_followed() {
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", other.local_addr().unwrap());
    let address = redirecting(format!("{target}/secret?plate=A1")).await;
    let connector = Connector::default();
    let silence_max = Duration::from_mins(1);

    for client in [Client::new(&address, &connector), Client::of_streams(&address, silence_max, &connector)] {
        let asked = client.unwrap();
        let refused = tokio::select! {
            answered = asked.get::<Value>("api/v1/sessions", &[("plate", "A1")], Patience::None) => answered.unwrap_err(),
            _ = other.accept() => panic!("the redirect was followed"),
        };

        let said = refused.to_string();
        let expected = format!("answered 308 Permanent Redirect: a redirect to {target}, which is not followed");
        assert!(said.contains(&expected) && !said.contains("plate"), "{said}");
    }
}
