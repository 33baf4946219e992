//! The page that shows the description of the API.

use axum::http::header;

use super::Api;

#[tokio::test]
async fn the_page_and_all_that_it_names_are_here() {
    let api = Api::new().await;
    let page = api.get("/api/docs/").await;
    assert_eq!((page.status, page.header(header::CONTENT_TYPE)), (200, "text/html"));
    let text = page.text();
    let named: Vec<&str> = ["src=\"", "href=\""].iter().flat_map(|mark| text.split(mark).skip(1)).collect();
    assert!(named.len() >= 6, "{text}");
    for name in named {
        let name = name.split('"').next().unwrap();
        let file = name.strip_prefix("./").unwrap_or(name);
        assert!(!file.contains(':') && !file.starts_with('/'), "{file} is somewhere else");
        assert_eq!(api.get(&format!("/api/docs/{file}")).await.status, 200, "{file}");
    }
    let moved = api.get("/api/docs").await;
    assert_eq!((moved.status, moved.header(header::LOCATION)), (308, "/api/docs/"));
    assert_eq!(api.get("/api/docs/oauth2-redirect.html").await.status, 404);
}

#[tokio::test]
async fn nothing_is_loaded_from_anywhere_else() {
    let api = Api::new().await;
    for file in ["", "swagger-initializer.js", "swagger-ui-bundle.js", "swagger-ui.css"] {
        let answer = api.get(&format!("/api/docs/{file}")).await;
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
        assert!(!policy.contains("http") && !policy.contains('*'), "{policy}");
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    }
    let initializer = api.get("/api/docs/swagger-initializer.js").await.text();
    assert!(initializer.contains("\"/openapi.json\""), "{initializer}");
    assert!(initializer.contains("\"validatorUrl\": \"none\""), "{initializer}");
    assert!(!initializer.contains("://"), "{initializer}");
    let page = api.get("/api/docs/").await.text();
    assert!(!page.contains("://") && !page.contains("<style"), "{page}");
}
