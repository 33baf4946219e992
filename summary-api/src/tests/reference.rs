//! The page that shows the description of the API.

use axum::http::header;

use super::Api;

#[tokio::test]
async fn the_page_and_all_that_it_names_are_here() {
    let api = Api::new().await;
    let page = api.get("/api/docs/").await;
    assert_eq!((page.status, page.header(header::CONTENT_TYPE)), (200, "text/html; charset=utf-8"));
    let text = page.text();
    let named: Vec<&str> = ["src=\"", "href=\""].iter().flat_map(|mark| text.split(mark).skip(1)).collect();
    assert!(named.len() >= 6, "{text}");
    for name in named {
        let name = name.split('"').next().unwrap();
        assert!(!name.contains(':') && !name.starts_with('/'), "{name} is somewhere else");
        let address = match name.strip_prefix("../..") {
            Some(outside) => format!("/{}", outside.trim_start_matches('/')),
            None => format!("/api/docs/{name}"),
        };
        assert_eq!(api.get(&address).await.status, 200, "{address}");
    }
    let moved = api.get("/api/docs").await;
    assert_eq!((moved.status, moved.header(header::LOCATION)), (308, "/api/docs/"));
    assert_eq!(api.get("/api/docs/oauth2-redirect.html").await.status, 404);
}

#[tokio::test]
async fn nothing_is_loaded_from_anywhere_else() {
    let api = Api::new().await;
    for file in ["", "page.js", "page.css", "swagger-ui-bundle.js", "swagger-ui.css"] {
        let answer = api.get(&format!("/api/docs/{file}")).await;
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
        assert!(!policy.contains("http") && !policy.contains('*'), "{policy}");
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    }
    let script = api.get("/api/docs/page.js").await.text();
    assert!(script.contains("validatorUrl: \"none\"") && !script.contains("://"), "{script}");
    let page = api.get("/api/docs/").await.text();
    assert!(!page.contains("://") && !page.contains("<style") && !page.contains("<script>"), "{page}");
}
